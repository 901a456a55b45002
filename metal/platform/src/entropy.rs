//! Randomness: what whoever runs the machine gives, what the processor has, and the moments at
//! which things happen, stretched by a hash.
use platform::Entropy;
use sha2::{Digest, Sha256};

/// A source of random bytes.
#[derive(Debug)]
pub struct MetalEntropy {
    state: [u8; 32],
}

impl MetalEntropy {
    /// A source that begins with this seed, of any length, and with what the processor has.
    #[must_use]
    pub fn new(seed: &[u8]) -> Self {
        let mut this = Self { state: [0; 32] };
        this.stir(seed);
        this
    }

    /// A random number.
    pub fn number(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// Another source, which this one knows nothing more of.
    #[must_use]
    pub fn apart(&mut self) -> Self {
        let mut seed = [0; 32];
        self.fill(&mut seed);
        Self::new(&seed)
    }

    fn stir(&mut self, with: &[u8]) {
        let mut hash = Sha256::new();
        hash.update(self.state);
        hash.update(with);
        hash.update(hal::cpu::stamp().to_le_bytes());
        if let Some(random) = hal::cpu::random() {
            hash.update(random.to_le_bytes());
        }
        self.state = hash.finalize().into();
    }
}

impl Entropy for MetalEntropy {
    fn fill(&mut self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(16) {
            self.stir(b"next");
            // Half of the state stays unknown to whoever sees what is given out.
            part.copy_from_slice(&self.state[..part.len()]);
        }
        self.stir(b"done");
    }
}
