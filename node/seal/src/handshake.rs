//! Two messages after which both ends know that the other has the key.
use alloc::boxed::Box;
use core::fmt;

use platform::Entropy;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, HandshakeState};

use crate::{Key, Session};

const PATTERN: &str = "Noise_NNpsk0_25519_AESGCM_BLAKE2s";
/// Bytes of either message: a public key and an authentication tag.
pub const HANDSHAKE_SIZE: usize = 48;
/// Random bytes that an end needs: its secret of this connection.
const SECRET_SIZE: usize = 32;

/// An end that has called and waits for the answer.
pub struct Caller(Box<HandshakeState>);

/// The other end does not have the same key, or somebody changed its message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WrongKey;

/// Calls the other end. `context` is what both ends know of the connection without
/// having said it under seal; they must agree on it.
pub fn call(
    key: &Key,
    context: &[u8],
    entropy: &mut impl Entropy,
) -> (Caller, [u8; HANDSHAKE_SIZE]) {
    let mut state = builder(key, context, entropy)
        .build_initiator()
        .expect("the pattern needs nothing else");
    let message = write(&mut state);
    (Caller(Box::new(state)), message)
}

/// Answers a call.
///
/// # Errors
/// If the caller does not have the key, or there was something else before it.
pub fn answer(
    key: &Key,
    context: &[u8],
    call: &[u8; HANDSHAKE_SIZE],
    entropy: &mut impl Entropy,
) -> Result<(Session, [u8; HANDSHAKE_SIZE]), WrongKey> {
    let mut state = builder(key, context, entropy)
        .build_responder()
        .expect("the pattern needs nothing else");
    read(&mut state, call)?;
    let message = write(&mut state);
    Ok((session(state), message))
}

impl Caller {
    /// The answer is here.
    ///
    /// # Errors
    /// If the other end does not have the key.
    pub fn finish(mut self, answer: &[u8; HANDSHAKE_SIZE]) -> Result<Session, WrongKey> {
        read(&mut self.0, answer)?;
        Ok(session(*self.0))
    }
}

fn builder<'a>(key: &'a Key, context: &'a [u8], entropy: &mut impl Entropy) -> Builder<'a> {
    let mut secret = [0; SECRET_SIZE];
    entropy.fill(&mut secret);
    let resolver = Box::new(Resolver { secret });
    let pattern = PATTERN.parse().expect("a pattern of the specification");
    Builder::with_resolver(pattern, resolver)
        .psk(0, &key.0)
        .and_then(|builder| builder.prologue(context))
        .expect("each is set once")
}

fn write(state: &mut HandshakeState) -> [u8; HANDSHAKE_SIZE] {
    let mut message = [0; HANDSHAKE_SIZE];
    let count = state.write_message(&[], &mut message);
    assert_eq!(count, Ok(HANDSHAKE_SIZE), "a key and a tag");
    message
}

fn read(state: &mut HandshakeState, message: &[u8; HANDSHAKE_SIZE]) -> Result<(), WrongKey> {
    let count = state.read_message(message, &mut []);
    count.map(|_| ()).map_err(|_| WrongKey)
}

fn session(state: HandshakeState) -> Session {
    let transport = state.into_transport_mode();
    Session::new(transport.expect("both messages were exchanged"))
}

/// The usual primitives, with the randomness of the world we live in.
struct Resolver {
    secret: [u8; SECRET_SIZE],
}

/// Randomness for just one secret.
struct Once(Option<[u8; SECRET_SIZE]>);

impl Random for Once {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        let secret = self.0.take().ok_or(snow::Error::Rng)?;
        if dest.len() != secret.len() {
            return Err(snow::Error::Rng);
        }
        dest.copy_from_slice(&secret);
        Ok(())
    }
}

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Once(Some(self.secret))))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        DefaultResolver.resolve_dh(choice)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        #[cfg(feature = "ring")]
        return snow::resolvers::RingResolver.resolve_cipher(choice);
        #[cfg(not(feature = "ring"))]
        DefaultResolver.resolve_cipher(choice)
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Caller")
    }
}

impl fmt::Display for WrongKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected the key of this cluster, found another")
    }
}

impl core::error::Error for WrongKey {}
