//! Writes the seeds of every target into `seeds/TARGET`.

fn main() -> std::io::Result<()> {
    for (name, _, seeds) in clutch_store_fuzz::TARGETS {
        let folder = std::path::Path::new("seeds").join(name);
        fs_err::create_dir_all(&folder)?;
        for (n, seed) in seeds().into_iter().enumerate() {
            fs_err::write(folder.join(n.to_string()), seed)?;
        }
    }
    Ok(())
}
