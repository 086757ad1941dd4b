//! Bounds on data from outside: archives, metadata, index pages, links. They are in one place so that every reader
//! has the same. Each is checked before the bytes are read or the memory is taken. Each is far above what real
//! packages have. docs/testing.md lists them with their tests.

/// The longest name of an archive's entry, in bytes. `PATH_MAX` is 4,096 on Linux; archives that are
/// unpacked below a short path have longer ones now and then.
pub const NAME: usize = 64 << 10;

/// The longest target of a symbolic link, in bytes: `PATH_MAX` of Linux.
pub const LINK_TARGET: usize = 4 << 10;

/// The longest path that Linux opens, in bytes: `PATH_MAX` without the zero byte at its end.
pub const PATH: usize = 4095;

/// The largest header of records that belongs to one entry of a tar (PAX), in bytes. Those with extended
/// attributes have some KiB, maps of sparse files in the obsolete form more.
pub const PAX: usize = 1 << 20;

/// The most parts of a sparse file in a tar.
pub const SPARSE_PARTS: usize = 1 << 20;

/// The most files, folders and links that an archive may unpack to. Linux's sources are 100,000.
pub const ENTRIES: usize = 2_000_000;

/// The most bytes that the names of these may have together, as paths.
pub const NAMES: usize = 512 << 20;

/// The most memory that a decompressor may take, in bytes. The output of `xz -9` and `zstd -19` needs 65 MiB and 8
/// MiB; the container formats allow 4 GiB.
pub const DECODER: u64 = 256 << 20;

/// The most parts a path in an archive or a tree may have. The file system's own functions recurse over a
/// path's folders, and so do tools that will read it.
pub const DEPTH: usize = 1000;

/// The largest METADATA, WHEEL, RECORD, entry_points.txt or Debian control file, in bytes after
/// decompression. The largest on PyPI are RECORDs of some MiB.
pub const METADATA: u64 = 16 << 20;

/// The longest name of one file, in bytes: `NAME_MAX` of Linux. The names of wheels are such.
pub const FILE_NAME: usize = 255;

/// The most combinations of Python, ABI and platform tags that a wheel's file name may stand for. The
/// largest on PyPI stand for about a hundred.
pub const WHEEL_TAGS: usize = 1000;

/// The most header lines of a METADATA or WHEEL file. The largest on PyPI have a few thousand.
pub const HEADERS: usize = 100_000;

/// The most files that a wheel's RECORD may list without the wheel having them.
pub const ABSENT: usize = 1000;

/// The most programs that one distribution may have among its entry points.
pub const PROGRAMS: usize = 10_000;

/// The longest version of a distribution, in bytes.
pub const VERSION: usize = 1024;

/// The longest requirement, set of version specifiers or environment marker, in bytes. Tools that
/// resolve for many platforms write markers of some KiB.
pub const REQUIREMENT: usize = 64 << 10;

/// The largest source file that is compiled, in bytes; a larger one has no byte code.
pub const SOURCE: u64 = 16 << 20;

/// The largest byte code of one source file, in bytes; more is not kept.
pub const BYTE_CODE: u64 = 16 << 20;

/// The largest script that an environment writes with another first line, in bytes.
pub const SCRIPT: u64 = 16 << 20;

/// The largest record of a derivation, in bytes: its reader accepts no larger one.
pub const DERIVATION: u64 = 1 << 28;

/// The largest file of requirements or lock, in bytes. Locks of large projects have a few MiB.
pub const REQUIREMENTS: u64 = 64 << 20;

/// The most lines that files of requirements may have together, continued ones counted once.
pub const REQUIREMENT_LINES: usize = 100_000;

/// The longest address, in bytes. Servers take some 8 KiB.
pub const ADDRESS: usize = 8 << 10;

/// The largest page of the Simple API, in bytes after decompression. Those of the projects with the most
/// releases have some MiB.
pub const PAGE: u64 = 64 << 20;

/// The most files a page of the Simple API may list; some projects have 20,000.
pub const PAGE_FILES: usize = 100_000;

/// The bytes that the addresses of a page's files may have together: each may have the page's own address
/// in front.
pub const PAGE_ADDRESSES: usize = 128 << 20;

/// The largest `Release` file of a Debian archive, in bytes. Those of Debian have 200 KB.
pub const RELEASE: u64 = 16 << 20;

/// The largest `Packages` file of a Debian archive, in bytes after decompression, and the packages and
/// provided names in it. Debian's largest has 60 MB, 70,000 packages and 300,000 names.
pub const PACKAGES: u64 = 256 << 20;

/// See [`PACKAGES`].
pub const PACKAGE_COUNT: usize = 500_000;

/// See [`PACKAGES`].
pub const PROVIDED: usize = 1_000_000;

/// The most packages that are looked at to find a closure.
pub const PACKAGE_LOOKS: u64 = 20_000_000;

/// The longest version of a Debian package, in bytes.
pub const PACKAGE_VERSION: usize = 1000;

/// The largest program that is read whole to be changed, in bytes.
pub const PROGRAM: u64 = 512 << 20;

/// The most links followed to find one file, as the kernel counts them (`MAXSYMLINKS`).
pub const LINKS: usize = 40;

/// The largest header of an export, in bytes after decompression: about 150,000 paths.
pub const EXPORT_HEADER: u64 = 64 << 20;

/// The largest `.gitignore`, in bytes.
pub const IGNORE_FILE: u64 = 1 << 20;

/// The largest index of a git repository that is read, in bytes: some millions of files.
pub const GIT_INDEX: u64 = 512 << 20;

/// The most entries of one folder that an evaluation lists.
pub const FOLDER_ENTRIES: usize = 4 << 20;

/// The most bytes that an evaluation takes from a pipe or device, which have no size (`--impure`).
pub const STREAM: u64 = 64 << 20;

/// The largest file that an evaluation hashes or copies, in bytes; sparse files may say any size.
pub const SOURCE_FILE: u64 = 1 << 40;
