//! What a kernel of Linux unpacks into its first file system: an archive of the format `newc`.

/// The name that ends it.
const END: &str = "TRAILER!!!";
const DIRECTORY: u32 = 0o040_755;
const SYMLINK: u32 = 0o120_777;
const FILE: u32 = 0o100_000;
/// Everything in it begins at a multiple of that.
const ALIGN: usize = 4;

/// Who may use a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rights {
    /// Everybody reads it.
    Read,
    /// Everybody runs it, too.
    Run,
    /// It is a secret of its owner's.
    Secret,
}

/// An archive that is being written.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    /// Its directories, which come before what is in them.
    directories: Vec<String>,
    count: u32,
}

impl Archive {
    /// An empty directory, unless it is there. Paths are relative to the root.
    pub(crate) fn directory(&mut self, path: &str) {
        if path.is_empty() || self.directories.iter().any(|known| known == path) {
            return;
        }
        self.parent_of(path);
        self.directories.push(path.to_owned());
        self.put(path, DIRECTORY, b"");
    }

    /// A file, and the directories above it.
    pub(crate) fn file(&mut self, path: &str, rights: Rights, content: &[u8]) {
        let mode = match rights {
            Rights::Read => 0o444,
            Rights::Run => 0o555,
            Rights::Secret => 0o400,
        };
        self.parent_of(path);
        self.put(path, FILE | mode, content);
    }

    /// Another name for a file.
    pub(crate) fn symlink(&mut self, path: &str, target: &str) {
        self.parent_of(path);
        self.put(path, SYMLINK, target.as_bytes());
    }

    /// All of it.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.put(END, 0, b"");
        self.bytes
    }

    fn parent_of(&mut self, path: &str) {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent);
        }
    }

    fn put(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.count += 1;
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("files are below 4 GiB");
        let name_length = length(path.as_bytes()) + 1;
        // Number, mode, owner, group, links, time, size, two devices of two parts, length of the
        // name, checksum.
        let size = length(content);
        let fields = [
            self.count,
            mode,
            0,
            0,
            1,
            0,
            size,
            0,
            0,
            0,
            0,
            name_length,
            0,
        ];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend(path.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend(content);
        self.align();
    }

    fn align(&mut self) {
        self.bytes
            .resize(self.bytes.len().next_multiple_of(ALIGN), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names, modes and contents, read back as the format says.
    fn entries(bytes: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let (mut entries, mut at) = (Vec::new(), 0);
        while at < bytes.len() {
            let head = std::str::from_utf8(&bytes[at..at + 110]).unwrap();
            assert_eq!(&head[..6], "070701");
            let field = |nth: usize| {
                let text = &head[6 + nth * 8..14 + nth * 8];
                u32::from_str_radix(text, 16).unwrap()
            };
            let (size, name_length) = (field(6) as usize, field(11) as usize);
            let name = &bytes[at + 110..at + 110 + name_length];
            let name = name.strip_suffix(&[0]).unwrap().to_vec();
            at = (at + 110 + name_length).next_multiple_of(4);
            let content = bytes[at..at + size].to_vec();
            at = (at + size).next_multiple_of(4);
            entries.push((String::from_utf8(name).unwrap(), field(1), content));
        }
        entries
    }

    #[test]
    fn directories_come_once_and_before_what_is_in_them() {
        let mut archive = Archive::default();
        archive.file("lib/x/a", Rights::Run, b"abcde");
        archive.file("lib/b", Rights::Secret, b"");
        archive.symlink("bin", "lib/x");
        let expected = [
            ("lib", 0o040_755, ""),
            ("lib/x", 0o040_755, ""),
            ("lib/x/a", 0o100_555, "abcde"),
            ("lib/b", 0o100_400, ""),
            ("bin", 0o120_777, "lib/x"),
            ("TRAILER!!!", 0, ""),
        ];
        let expected = expected.map(|(name, mode, text)| (name.into(), mode, text.into()));
        assert_eq!(entries(&archive.finish()), expected);
    }
}
