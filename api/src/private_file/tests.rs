#![allow(clippy::unwrap_used)]

use std::fs::{Permissions, set_permissions, write};
use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn a_file_is_read_only_while_others_have_no_rights() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    write(&path, "hush").unwrap();
    for (mode, is_read) in [
        (0o600, true),
        (0o400, true),
        (0o640, true),
        (0o644, false),
        (0o604, false),
        (0o602, false),
        (0o601, false),
        (0o666, false),
    ] {
        set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        match read(&path) {
            Ok(bytes) => assert!(is_read && bytes == b"hush", "{mode:o}"),
            Err(error) => {
                assert!(!is_read, "{mode:o}: {error}");
                assert!(
                    error.to_string().contains(&format!("mode {mode:04o}")),
                    "{error}"
                );
                assert!(error.remedy(&path).contains("chmod o= "));
            }
        }
    }
}

#[test]
fn what_is_not_there_or_too_large_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large");
    assert!(matches!(read(&path), Err(PrivateFileError::Read(_))));
    write(&path, vec![0; (1 << 20) + 1]).unwrap();
    set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(read(&path), Err(PrivateFileError::TooLarge)));
}
