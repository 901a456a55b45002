//! The text in which people hand the key of a cluster on.
use platform::{ClusterId, Entropy};
use seal::{Key, Token};

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "token",
    seeds: texts,
    check,
};

fn check(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    if let Ok(token) = text.parse::<Token>() {
        assert_eq!(token.to_string(), text.to_lowercase());
    }
}

fn texts() -> Vec<Vec<u8>> {
    let token = |fill| Token {
        cluster: ClusterId(u64::from(fill)),
        key: Key::generate(&mut Same(fill)),
    };
    let texts = [0, 0xA5, 0xFF].map(|fill| token(fill).to_string());
    let shouted = texts[1].replace('a', "A");
    texts.into_iter().chain([shouted]).map(Into::into).collect()
}

/// No entropy at all.
pub(crate) struct Same(pub(crate) u8);

impl Entropy for Same {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}
