//! Two ends that have the same key, and those that have not.
#![expect(clippy::tests_outside_test_module, reason = "the whole file is a test")]
use platform::{ClusterId, Entropy};
use seal::{Forged, HANDSHAKE_SIZE, Key, NotToken, RECORD_PLAIN_MAX, Session, Token, WrongKey};

/// Bytes that differ from call to call.
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

const CONTEXT: &[u8] = b"version 3";

fn key(seed: u64) -> Key {
    Key::generate(&mut Counting(seed))
}

/// The ends of a new connection: who called and who answered.
fn connected() -> (Session, Session) {
    let (caller, call) = seal::call(&key(1), CONTEXT, &mut Counting(2));
    let (there, answer) = seal::answer(&key(1), CONTEXT, &call, &mut Counting(3)).unwrap();
    (caller.finish(&answer).unwrap(), there)
}

fn sealed(session: &mut Session, plain: &[u8]) -> Vec<u8> {
    let mut record = Vec::new();
    session.seal(plain, &mut record);
    record
}

/// What the first record holds, and how long it is.
fn opened(session: &mut Session, sealed: &[u8]) -> Result<Option<(Vec<u8>, usize)>, Forged> {
    let mut plain = vec![0; RECORD_PLAIN_MAX];
    let opened = session.open(sealed, &mut plain)?;
    Ok(opened.map(|opened| (plain[..opened.plain_bytes].to_vec(), opened.record_bytes)))
}

#[test]
fn what_is_sealed_here_is_opened_there_both_ways() {
    let (mut here, mut there) = connected();
    for round in 0..3_u8 {
        for length in [0, 1, 4096, RECORD_PLAIN_MAX] {
            let plain = vec![round; length];
            for is_back in [false, true] {
                let (from, to) = match is_back {
                    false => (&mut here, &mut there),
                    true => (&mut there, &mut here),
                };
                let record = sealed(from, &plain);
                assert_eq!(opened(to, &record), Ok(Some((plain.clone(), record.len()))));
            }
        }
    }
}

#[test]
fn a_record_that_is_not_complete_is_waited_for() {
    let (mut here, mut there) = connected();
    let record = sealed(&mut here, b"hello");
    for length in 0..record.len() {
        assert_eq!(opened(&mut there, &record[..length]), Ok(None));
    }
    let more = [&record[..], b"the next"].concat();
    let expected = (b"hello".to_vec(), record.len());
    assert_eq!(opened(&mut there, &more), Ok(Some(expected)));
}

#[test]
fn another_key_or_context_is_noticed_by_who_is_called() {
    let (_, call) = seal::call(&key(1), CONTEXT, &mut Counting(2));
    for (key, context) in [(key(7), CONTEXT), (key(1), b"version 4".as_slice())] {
        let answered = seal::answer(&key, context, &call, &mut Counting(3));
        assert_eq!(answered.err(), Some(WrongKey));
    }
}

#[test]
fn an_answer_of_somebody_without_the_key_is_noticed() {
    let (caller, _) = seal::call(&key(1), CONTEXT, &mut Counting(2));
    let (_, call_of_another) = seal::call(&key(7), CONTEXT, &mut Counting(2));
    let answered = seal::answer(&key(7), CONTEXT, &call_of_another, &mut Counting(3));
    let (_, answer) = answered.unwrap();
    assert_eq!(caller.finish(&answer).err(), Some(WrongKey));
}

#[test]
fn what_was_recorded_is_of_no_use_later() {
    let (caller, call) = seal::call(&key(1), CONTEXT, &mut Counting(2));
    let (mut there, answer) = seal::answer(&key(1), CONTEXT, &call, &mut Counting(3)).unwrap();
    let mut here = caller.finish(&answer).unwrap();
    let record = sealed(&mut here, b"kill them all");
    assert!(opened(&mut there, &record).is_ok());
    // Again on the same connection.
    assert_eq!(opened(&mut there, &record), Err(Forged));
    // And on a new one, with the recorded call.
    let (mut there, _) = seal::answer(&key(1), CONTEXT, &call, &mut Counting(4)).unwrap();
    assert_eq!(opened(&mut there, &record), Err(Forged));
}

#[test]
fn every_changed_bit_is_noticed() {
    let (caller, call) = seal::call(&key(1), CONTEXT, &mut Counting(2));
    let (_, answer) = seal::answer(&key(1), CONTEXT, &call, &mut Counting(3)).unwrap();
    drop(caller);
    for bit in 0..HANDSHAKE_SIZE * 8 {
        let mut changed = call;
        changed[bit / 8] ^= 1 << (bit % 8);
        let answered = seal::answer(&key(1), CONTEXT, &changed, &mut Counting(3));
        // The last bit of a public key means nothing, but is under the tag, too.
        assert!(answered.is_err(), "bit {bit} of the call");
        let mut changed = answer;
        changed[bit / 8] ^= 1 << (bit % 8);
        let (caller, _) = seal::call(&key(1), CONTEXT, &mut Counting(2));
        assert!(caller.finish(&changed).is_err(), "bit {bit} of the answer");
    }
    let record = sealed(&mut connected().0, b"pay 10");
    for bit in 0..record.len() * 8 {
        let (_, mut there) = connected();
        let mut changed = record.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        // A longer length is waited for, and what is waited for is no message.
        let opened = opened(&mut there, &changed);
        assert!(!matches!(opened, Ok(Some(_))), "bit {bit}");
    }
}

#[test]
fn a_token_survives_being_written_down() {
    let token = Token {
        cluster: ClusterId(0x0123_4567_89ab_cdef),
        key: key(1),
    };
    let text = token.to_string();
    assert_eq!(text.len(), "plurix1-".len() + 64);
    assert_eq!(text.parse(), Ok(token.clone()));
    assert!(!format!("{token:?}").contains(&text[10..20]));
    for wrong in [
        "",
        "plurix1-",
        "plurix2-abc",
        &text[1..],
        &text[..text.len() - 1],
    ] {
        assert_eq!(wrong.parse::<Token>(), Err(NotToken), "{wrong}");
    }
}

#[test]
fn no_bytes_make_an_end_fail() {
    let mut noise = Counting(9);
    for length in 0..2000_usize {
        let mut bytes = vec![0; length % 200];
        noise.fill(&mut bytes);
        let (_, mut there) = connected();
        let opened = opened(&mut there, &bytes);
        assert!(!matches!(opened, Ok(Some(_))), "{bytes:?}");
        if let Some(call) = bytes.first_chunk() {
            let answered = seal::answer(&key(1), CONTEXT, call, &mut Counting(3));
            assert_eq!(answered.err(), Some(WrongKey));
        }
    }
}
