//! Answers: status, headers, content.

use crate::output::Output;
use crate::refusal::{Refusal, Status};

/// The content type of what the service itself says.
pub(crate) const TEXT: &[u8] = b"text/plain; charset=utf-8";

/// What becomes of the connection after an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Persistence {
    Keep,
    /// The same for a client of HTTP/1.0, which wants to be told.
    KeepAndSay,
    Close,
}

/// How a request is to be answered, whatever the answer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Manner {
    pub(crate) persistence: Persistence,
    /// HEAD: the answer to GET without its content.
    pub(crate) is_head: bool,
}

impl Manner {
    /// That of a request after which nothing more is understood.
    pub(crate) const LAST: Self = Self {
        persistence: Persistence::Close,
        is_head: false,
    };
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: Status,
    pub(crate) version: Option<u64>,
    pub(crate) allow: Option<&'static str>,
    pub(crate) content_type: &'a [u8],
    pub(crate) content: &'a [u8],
}

impl<'a> Answer<'a> {
    /// One without content.
    pub(crate) fn bare(status: Status, version: Option<u64>) -> Self {
        Self {
            status,
            version,
            allow: None,
            content_type: b"",
            content: b"",
        }
    }

    pub(crate) fn text(content: &'a [u8]) -> Self {
        Self {
            content_type: TEXT,
            content,
            ..Self::bare(Status::OK, None)
        }
    }

    pub(crate) fn write(&self, manner: Manner, output: &mut Output<'_>) {
        self.write_head(manner, output);
        if !manner.is_head && !self.status.is_bare() {
            output.put(self.content);
        }
    }

    fn write_head(&self, manner: Manner, output: &mut Output<'_>) {
        output.text("HTTP/1.1 ");
        output.number(u64::from(self.status.0));
        output.text(" ");
        output.text(self.status.1);
        if !self.status.is_bare() {
            output.text("\r\nContent-Length: ");
            output.number(self.content.len() as u64);
        }
        if !self.content_type.is_empty() {
            output.text("\r\nContent-Type: ");
            output.put(self.content_type);
        }
        if let Some(version) = self.version {
            output.text("\r\nETag: \"");
            output.number(version);
            output.text("\"");
        }
        if let Some(allow) = self.allow {
            output.text("\r\nAllow: ");
            output.text(allow);
        }
        if self.status == Status::UNAVAILABLE {
            output.text("\r\nRetry-After: 1");
        }
        output.text(match manner.persistence {
            Persistence::Keep => "",
            Persistence::KeepAndSay => "\r\nConnection: keep-alive",
            Persistence::Close => "\r\nConnection: close",
        });
        output.text("\r\n\r\n");
    }
}

impl Refusal {
    pub(crate) fn write(&self, manner: Manner, output: &mut Output<'_>) {
        let content = alloc::format!("{}\n", self.text);
        let answer = Answer {
            status: self.status,
            allow: self.allow,
            ..Answer::text(content.as_bytes())
        };
        answer.write(manner, output);
    }
}
