//! Profiles.

use super::*;
use crate::store::profile::{Generation, Profile, ProfileError};

#[test]
fn changes_at_once_follow_one_another() {
    let space = space();
    let paths: Vec<StorePath> = (1..=4).map(|n| path(n, "x")).collect();
    for path in &paths {
        space.file(path, path.base(), &[]);
    }
    let profile = Profile::at(&space.store.root().join("profiles/web")).unwrap();
    std::thread::scope(|scope| {
        for path in &paths {
            let (store, profile) = (other(&space), profile.clone());
            scope.spawn(move || {
                for _ in 0..8 {
                    profile.set(&store, path, None).unwrap();
                }
            });
        }
    });
    let generations = profile.generations().unwrap();
    // what was current already made no generation; whatever did has a number of its own
    let numbers: Vec<u64> = generations.iter().map(|generation| generation.number).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    assert!(generations.windows(2).all(|pair| pair[0].path != pair[1].path), "{generations:?}");
    assert!(generations.last().unwrap().is_current);
    assert!(paths.iter().all(|path| generations.iter().any(|g| g.path == *path)));
}

#[test]
fn a_profile_that_was_interrupted_goes_on() {
    let space = space();
    let (one, two) = (path(1, "one"), path(2, "two"));
    space.file(&one, "1", &[]);
    space.file(&two, "2", &[]);
    let folder = space.store.root().join("profiles");
    let profile = Profile::at(&folder.join("web")).unwrap();
    assert!(profile.set(&space.store, &one, None).unwrap().1);
    assert!(!profile.set(&space.store, &one, None).unwrap().1);
    // it ended before the switch, and within it
    space.store.link_root(&folder.join("web-2-link"), &two).unwrap();
    symlink("web-2-link", folder.join(".web.123-0")).unwrap();
    symlink("elsewhere", folder.join(".web-2-link.5-1")).unwrap();
    for kept in [".web-backup", ".webb.123-0", ".web.notes"] {
        symlink("mine", folder.join(kept)).unwrap();
    }
    let names = || -> BTreeSet<String> {
        let entries = fs_err::read_dir(&folder).unwrap();
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    };
    let current = |generations: &[Generation]| {
        generations.iter().find(|generation| generation.is_current).unwrap().number
    };
    assert_eq!(current(&profile.generations().unwrap()), 1);
    assert_eq!(profile.set(&space.store, &two, None).unwrap().0.number, 3);
    let expected = [
        ".web-backup",
        ".web.notes",
        ".webb.123-0",
        "web",
        "web-1-link",
        "web-2-link",
        "web-3-link",
    ];
    assert_eq!(names(), expected.map(str::to_owned).into());
    assert_eq!(profile.rollback(&space.store, None).unwrap().number, 2);
    assert_eq!(profile.rollback(&space.store, Some(1)).unwrap().number, 1);
    assert!(matches!(profile.rollback(&space.store, None), Err(ProfileError::NoEarlier(_))));
    let wiped = profile.wipe(1, u64::MAX, false).unwrap();
    assert_eq!(wiped.iter().map(|g| g.number).collect::<Vec<_>>(), [2], "the first is current");
    // whoever removes the link loses the place, not the history
    fs_err::remove_file(profile.link()).unwrap();
    assert!(matches!(profile.rollback(&space.store, None), Err(ProfileError::NoEarlier(_))));
    assert_eq!(profile.rollback(&space.store, Some(3)).unwrap().path, two);
    assert_eq!(Profile::all(&folder).unwrap(), [profile]);
}

#[test]
fn names_of_generations_are_no_profiles() {
    for name in ["web-1-link", "web-99-link", "a-b-3-link"] {
        let error = Profile::at(Path::new(name)).unwrap_err();
        assert!(matches!(error, ProfileError::Reserved(_)), "{name}");
    }
    for name in ["web-link", "web-01-link", "web-x-link", "web-1-links", "web--link"] {
        assert!(Profile::at(Path::new(name)).is_ok(), "{name}");
    }
    for name in ["/", "a/..", "a b", ""] {
        assert!(Profile::at(Path::new(name)).is_err(), "{name}");
    }
}
