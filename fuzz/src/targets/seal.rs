//! Connections under seal, with somebody on the line who cuts, changes and repeats what is
//! said. Only what the other end has sealed is ever opened, in its order.
use arbitrary::{Arbitrary, Unstructured};
use platform::Entropy;
use seal::{HANDSHAKE_SIZE, Key, RECORD_PLAIN_MAX, Session};

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "seal",
    seeds,
    check,
};

const CONTEXT: &[u8] = b"fuzz";

/// What is said, and what becomes of it on the way.
#[derive(Arbitrary)]
struct Line {
    plains: Vec<Vec<u8>>,
    deeds: Vec<Deed>,
    /// How many bytes arrive together.
    piece: u8,
}

/// What somebody on the line does.
#[derive(Arbitrary)]
enum Deed {
    Change { at: u16, by: u8 },
    Cut { at: u16, length: u16 },
    Insert { at: u16, bytes: [u8; 18] },
    Repeat { at: u16, length: u16 },
}

/// Bytes that differ from call to call, and are the same whenever it begins the same.
struct Counting(u64);

impl Entropy for Counting {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            // Knuth's MMIX.
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
            self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
            *byte = self.0.to_le_bytes()[7];
        }
    }
}

fn check(bytes: &[u8]) {
    if let Ok(message) = bytes.try_into() {
        forge_handshake(message, entropy_for(bytes));
    } else if let Ok(line) = Line::arbitrary_take_rest(Unstructured::new(bytes)) {
        meddle(&line, entropy_for(bytes));
    }
}

/// Other keys for each input: the fuzzer watches comparisons, and would read from them which
/// tag it must forge next time.
fn entropy_for(bytes: &[u8]) -> Counting {
    Counting(crc32fast::hash(bytes).into())
}

/// Nobody without the key gets in, at either end.
fn forge_handshake(message: &[u8; HANDSHAKE_SIZE], mut entropy: Counting) {
    let key = Key::generate(&mut entropy);
    let answer = seal::answer(&key, CONTEXT, message, &mut entropy);
    assert!(answer.is_err(), "it has no key to call with");
    let (caller, _) = seal::call(&key, CONTEXT, &mut entropy);
    assert!(caller.finish(message).is_err(), "nor to answer with");
}

fn meddle(line: &Line, entropy: Counting) {
    let (mut here, mut there) = connected(entropy);
    let mut sealed = Vec::new();
    for plain in &line.plains {
        here.seal(plain, &mut sealed);
    }
    let said = sealed.clone();
    line.deeds.iter().for_each(|deed| deed.apply(&mut sealed));
    let opened = open(&mut there, &sealed, usize::from(line.piece) + 1);
    assert!(line.plains.starts_with(&opened), "only what was sealed");
    if sealed == said {
        assert_eq!(opened, line.plains, "nothing was changed");
    }
}

/// What a session opens of these bytes until it finds something forged.
fn open(session: &mut Session, sealed: &[u8], piece: usize) -> Vec<Vec<u8>> {
    let mut room = vec![0; RECORD_PLAIN_MAX];
    let mut unread = Vec::new();
    let mut plains = Vec::new();
    for arrived in sealed.chunks(piece) {
        unread.extend_from_slice(arrived);
        loop {
            match session.open(&unread, &mut room) {
                Ok(Some(opened)) => {
                    plains.push(room[..opened.plain_bytes].to_vec());
                    unread.drain(..opened.record_bytes);
                }
                Ok(None) => break,
                Err(_) => return plains,
            }
        }
    }
    plains
}

impl Deed {
    fn apply(&self, line: &mut Vec<u8>) {
        let end = |at: usize, length: u16| line.len().min(at + usize::from(length));
        let place = |at: u16| usize::from(at) % (line.len() + 1);
        match *self {
            Self::Change { at, by } => {
                if let Some(byte) = line.get_mut(usize::from(at)) {
                    *byte ^= by;
                }
            }
            Self::Cut { at, length } => {
                let at = place(at);
                line.drain(at..end(at, length));
            }
            Self::Insert { at, bytes } => {
                let at = place(at);
                line.splice(at..at, bytes);
            }
            Self::Repeat { at, length } => {
                let at = place(at);
                let again = line[at..end(at, length)].to_vec();
                line.splice(at..at, again);
            }
        }
    }
}

fn connected(mut entropy: Counting) -> (Session, Session) {
    let key = Key::generate(&mut entropy);
    let (caller, call) = seal::call(&key, CONTEXT, &mut entropy);
    let answered = seal::answer(&key, CONTEXT, &call, &mut entropy);
    let (there, answer) = answered.expect("both have the key");
    let here = caller.finish(&answer).expect("both have the key");
    (here, there)
}

fn seeds() -> Vec<Vec<u8>> {
    let counting: Vec<u8> = (0..=255).collect();
    let handshake = vec![7; HANDSHAKE_SIZE];
    vec![handshake, counting, vec![0; 64], vec![1; 200]]
}
