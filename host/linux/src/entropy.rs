//! Randomness from the kernel.
use platform::Entropy;

/// `getrandom(2)`.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinuxEntropy;

impl Entropy for LinuxEntropy {
    fn fill(&mut self, bytes: &mut [u8]) {
        let mut filled = 0;
        while filled < bytes.len() {
            let rest = &mut bytes[filled..];
            // SAFETY: pointer and length describe the slice, which the call only fills.
            let count = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
            // Negative only when a signal came before the first byte: try again.
            filled += usize::try_from(count).unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        let (mut first, mut second) = ([0; 32], [0; 32]);
        LinuxEntropy.fill(&mut first);
        LinuxEntropy.fill(&mut second);
        assert_ne!(first, second);
    }
}
