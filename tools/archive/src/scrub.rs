//! Secrets are taken out of whatever is said.
use std::fmt;

/// Beginnings of the names of what object stores take their credentials from.
const FAMILIES: [&str; 1] = ["AWS_"];
/// Words in the names of those that are secrets, or as good as.
const SECRET_WORDS: [&str; 4] = ["KEY", "SECRET", "TOKEN", "PASSWORD"];
const INSTEAD: &str = "[secret]";
/// Longest text of another's that is repeated.
const TEXT_MAX: usize = 400;

/// Knows what must not be said.
#[derive(Clone, Default)]
pub(crate) struct Scrubber {
    secrets: Vec<String>,
}

impl Scrubber {
    /// Knows the secrets of this process.
    pub(crate) fn of_environment() -> Self {
        // What is no text is no credential.
        let variables = std::env::vars_os();
        let texts = variables.filter_map(|(name, value)| {
            let (name, value) = (name.into_string(), value.into_string());
            Some((name.ok()?, value.ok()?))
        });
        Self::of(texts)
    }

    /// Knows the secrets among these variables of the environment.
    pub(crate) fn of(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let is_secret = |name: &str| {
            FAMILIES.iter().any(|family| name.starts_with(family))
                && SECRET_WORDS.iter().any(|word| name.contains(word))
        };
        let secrets = variables.into_iter();
        let secrets = secrets.filter(|(name, value)| is_secret(name) && !value.is_empty());
        let mut all = Vec::new();
        for (_, secret) in secrets {
            let encoded = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            all.extend([encoded, secret]);
        }
        // One may be part of another.
        all.sort_by_key(|secret: &String| std::cmp::Reverse(secret.len()));
        Self { secrets: all }
    }

    /// The text, shorter perhaps, without what must not be said.
    pub(crate) fn scrub(&self, text: &str) -> String {
        let mut text = without_parts(text);
        for secret in &self.secrets {
            text = text.replace(secret, INSTEAD);
        }
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match text.char_indices().nth(TEXT_MAX) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }
}

/// The text; addresses in it have no users, passwords and questions any more.
fn without_parts(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        let is_end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | ')');
        let end = after.find(is_end).unwrap_or(after.len());
        let (address, others) = after.split_at(end);
        let (address, question) = match address.split_once(['?', '#']) {
            Some((address, _)) => (address, "?…"),
            None => (address, ""),
        };
        let host = address.find('/').unwrap_or(address.len());
        let user = address[..host].rfind('@').map_or(0, |at| at + 1);
        clean.push_str(before);
        clean.push_str(&address[user..]);
        clean.push_str(question);
        rest = others;
    }
    clean.push_str(rest);
    clean
}

impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scrubber of {}", self.secrets.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrubber() -> Scrubber {
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Scrubber::of([
            variable("AWS_SECRET_ACCESS_KEY", "wJalr/XUtn+FEMI"),
            variable("AWS_SESSION_TOKEN", "wJalr/XUtn+FEMI-longer"),
            variable("AWS_REGION", "eu-north-1"),
            variable("AWS_ACCESS_KEY_ID", ""),
            variable("HOME_KEY", "/home"),
        ])
    }

    #[test]
    fn secrets_are_taken_out_in_every_form() {
        let text = "wJalr/XUtn+FEMI wJalr%2FXUtn%2BFEMI wJalr/XUtn+FEMI-longer eu-north-1 /home";
        let expected = "[secret] [secret] [secret] eu-north-1 /home";
        assert_eq!(scrubber().scrub(text), expected);
        assert_eq!(format!("{:?}", scrubber()), "Scrubber of 4");
    }

    #[test]
    fn addresses_lose_users_and_questions() {
        let text = "GET \"https://u:p@host/a@b?X-Amz-Signature=1&x\" (s3://k@b/c#d) failed";
        let expected = "GET \"https://host/a@b?…\" (s3://b/c?…) failed";
        assert_eq!(scrubber().scrub(text), expected);
    }

    #[test]
    fn long_texts_are_cut() {
        let text = "é".repeat(TEXT_MAX + 1);
        assert_eq!(scrubber().scrub(&text).chars().count(), TEXT_MAX + 1);
    }
}
