//! Who may not open the control socket, as the system sees it: another user's `ipvsadm` and `sluice`.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use control::socket;
use crossbeam::channel;

/// Somebody who is not root and in no group of the socket's.
const NOBODY: u32 = 65534;

/// A directory that everybody may enter, with a socket that only root may open and a copy of the tool.
struct Room(PathBuf);

impl Room {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("sluice-permission-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory");
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("its mode");
        fs::copy(env!("CARGO_BIN_EXE_sluice"), path.join("sluice")).expect("a copy of the tool");
        Self(path)
    }

    fn tool(&self, name: &str, arguments: &[&str], user: u32) -> Output {
        let mut command = Command::new(self.0.join("sluice"));
        command.arg0(name).args(arguments).env("SLUICE_SOCKET", self.0.join("c.sock")).uid(user).gid(user);
        command.output().expect("the tool runs")
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

fn told(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn another_user_is_told_so() {
    if fs::metadata("/proc/self").map_or(NOBODY, |own| own.uid()) != 0 {
        println!("SKIPPED: only root can become somebody else");
        return;
    }
    let room = Room::new();
    let (handler, asks) = channel::bounded(1);
    let _server = socket::serve(&room.0.join("c.sock"), 0o660, None, handler).expect("a socket");
    for arguments in [&["-Ln"][..], &["-A", "-t", "1.2.3.4:80"], &["-C"], &["-S"]] {
        let wanted = "Can't initialize ipvs: Permission denied (you must be root)\n\
                      Are you sure that IP Virtual Server is built in the kernel or as module?\n";
        let output = room.tool("ipvsadm", arguments, NOBODY);
        assert_eq!(told(&output), (Some(2), wanted.to_owned()), "{arguments:?}");
        assert!(output.stdout.is_empty());
    }
    let (code, text) = told(&room.tool("sluice", &["status"], NOBODY));
    assert!(code == Some(1) && text.contains("you may not use"), "{text}");
    assert!(asks.is_empty(), "nothing has been asked");
}
