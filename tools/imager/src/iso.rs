//! An image on a disk that firmware boots, by way of GRUB: an ISO file, for a DVD, a USB stick or
//! a virtual machine.
use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fmt, io, process};

/// What makes such files.
const PROGRAM: &str = "grub-mkrescue";
/// What is missing if it is not there: it, what it starts, and what firmware loads.
pub const PACKAGES: &str = "grub-common grub-pc-bin grub-efi-amd64-bin xorriso mtools";
const MENU: &str = r#"set timeout=0
menuentry "Plurix" {
    multiboot2 /boot/plurix
    module2 /boot/words
}
"#;

/// Why there is no ISO file.
#[derive(Debug)]
pub enum IsoError {
    /// A file could not be read or written.
    File(PathBuf, io::Error),
    /// The program that makes it could not be started.
    Start(io::Error),
    /// It has failed, and has said this.
    Failed(String),
}

/// Makes an ISO file of an image and the words of its first file, which may hold a secret: so
/// nobody else may read it.
///
/// # Errors
/// If GRUB is not there or fails, or files cannot be read or written.
pub fn iso(image: &Path, words: &str, out: &Path) -> Result<(), IsoError> {
    let folder = Folder::beside(out)?;
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.0.join(name);
        let folder = path.parent().expect("it lies in the folder");
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, bytes))
            .map_err(|error| IsoError::File(path, error))
    };
    let bytes = fs::read(image).map_err(|error| IsoError::File(image.to_owned(), error))?;
    write("files/boot/plurix", &bytes)?;
    write("files/boot/words", format!("{words}\n").as_bytes())?;
    write("files/boot/grub/grub.cfg", MENU.as_bytes())?;
    let made = folder.0.join("iso");
    let mut command = Command::new(PROGRAM);
    command.arg("-o").arg(&made).arg(folder.0.join("files"));
    let output = command.output().map_err(IsoError::Start)?;
    if !output.status.success() || !made.is_file() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(IsoError::Failed(said));
    }
    fs::set_permissions(&made, Permissions::from_mode(0o600))
        .and_then(|()| fs::rename(&made, out))
        .map_err(|error| IsoError::File(out.to_owned(), error))
}

/// A folder that nobody else may look into, and that ends with this.
struct Folder(PathBuf);

impl Folder {
    /// On the same file system as this file, so that one becomes the other.
    fn beside(out: &Path) -> Result<Self, IsoError> {
        let mut name = out.as_os_str().to_owned();
        name.push(format!(".{}", process::id()));
        let path = PathBuf::from(name);
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => Ok(Self(path)),
            Err(error) => Err(IsoError::File(path, error)),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays is in nobody's way.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl fmt::Display for IsoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Start(error) => write!(f, "start {PROGRAM}: {error}"),
            Self::Failed(said) => write!(f, "{PROGRAM} has failed: {}", said.trim()),
        }
    }
}

impl std::error::Error for IsoError {}
