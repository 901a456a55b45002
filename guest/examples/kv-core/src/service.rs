//! What requests do.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::answer::{Answer, TEXT};
use crate::condition::{Conditions, Failed};
use crate::head::{Action, Head};
use crate::limits::LISTED_BYTES;
use crate::output::Output;
use crate::refusal::{Refusal, Status, shown};
use crate::store::{Full, Put, Store};
use crate::target::{Listing, Name, encode};

const HELP: &str = "\
Keys and values, in the memory of the cluster.

GET    /keys/NAME      the value, its version as ETag
PUT    /keys/NAME      sets the value; If-Match: \"VERSION\" or If-None-Match: * if it is so
DELETE /keys/NAME      removes the key
POST   /keys/NAME/add  adds a decimal number to the key's, answers the sum
GET    /keys           names, one a line; ?prefix=P&after=NAME&limit=N

NAME is percent-encoded, also in listings: all but letters, digits and -._~ is %XX. A listing goes
on behind its last name with after=; it is at its end when there is nothing more.
";

/// What a request has done, to be answered.
struct Done {
    status: Status,
    version: Option<u64>,
    text: Option<String>,
}

/// Executes a request and answers it.
pub(crate) fn execute(head: &Head, content: &[u8], store: &mut Store, output: &mut Output<'_>) {
    let done = match &head.action {
        Action::Help => return Answer::text(HELP.as_bytes()).write(head.manner, output),
        Action::List(listing) => {
            let names = list(listing, store);
            return Answer::text(&names).write(head.manner, output);
        }
        Action::Get(name) => match get(name, &head.conditions, store) {
            Ok(answer) => return answer.write(head.manner, output),
            Err(refusal) => Err(refusal),
        },
        Action::Put(name, content_type) => judge(name, &head.conditions, store).and_then(|()| {
            let put = put(store, name, content_type, content)?;
            Ok(Done {
                status: match put.is_new {
                    true => Status::CREATED,
                    false => Status::NO_CONTENT,
                },
                version: Some(put.version),
                text: None,
            })
        }),
        Action::Delete(name) => delete(name, &head.conditions, store),
        Action::Add(name) => add(name, content, &head.conditions, store),
        Action::Refuse(refusal) => Err(refusal.clone()),
    };
    match done {
        Ok(Done {
            status,
            version,
            text,
        }) => {
            let answer = Answer {
                status,
                version,
                ..match &text {
                    Some(text) => Answer::text(text.as_bytes()),
                    None => Answer::bare(status, version),
                }
            };
            answer.write(head.manner, output);
        }
        Err(refusal) => refusal.write(head.manner, output),
    }
}

fn get<'a>(name: &Name, conditions: &Conditions, store: &'a Store) -> Result<Answer<'a>, Refusal> {
    let entry = store.find(name).ok_or_else(|| missing(name))?;
    let version = Some(entry.version);
    match conditions.judge(version) {
        Ok(()) => Ok(Answer {
            content_type: &entry.content_type,
            content: &entry.value,
            ..Answer::bare(Status::OK, version)
        }),
        Err(Failed::NoneMatch) => Ok(Answer::bare(Status::NOT_MODIFIED, version)),
        Err(failed) => Err(not_so(failed, version)),
    }
}

fn put(store: &mut Store, name: &Name, content_type: &[u8], value: &[u8]) -> Result<Put, Refusal> {
    store.put(name, content_type, value).map_err(|Full| {
        Refusal::new(
            Status::STORAGE_FULL,
            format!(
                "expected room for {} more bytes; found less: the store is for {} bytes",
                value.len(),
                store.capacity()
            ),
        )
    })
}

fn delete(name: &Name, conditions: &Conditions, store: &mut Store) -> Result<Done, Refusal> {
    if store.find(name).is_none() {
        return Err(missing(name));
    }
    judge(name, conditions, store)?;
    store.remove(name);
    Ok(Done {
        status: Status::NO_CONTENT,
        version: None,
        text: None,
    })
}

fn add(
    name: &Name,
    content: &[u8],
    conditions: &Conditions,
    store: &mut Store,
) -> Result<Done, Refusal> {
    let amount = number(content).ok_or_else(|| {
        Refusal::bad(format!(
            "expected a decimal number of 64 bits to add, such as `-3`; found {}",
            shown(content)
        ))
    })?;
    judge(name, conditions, store)?;
    let (sum, content_type) = match store.find(name) {
        None => (amount, TEXT.into()),
        Some(entry) => {
            let before = number(&entry.value).ok_or_else(|| {
                Refusal::new(
                    Status::CONFLICT,
                    format!(
                        "expected a key whose value is a decimal number of 64 bits; found {}",
                        shown(&entry.value)
                    ),
                )
            })?;
            let sum = before.checked_add(amount).ok_or_else(|| {
                Refusal::new(
                    Status::CONFLICT,
                    format!("expected a sum of 64 bits; found {before} and {amount}"),
                )
            })?;
            (sum, entry.content_type.clone())
        }
    };
    let text = sum.to_string();
    let put = put(store, name, &content_type, text.as_bytes())?;
    Ok(Done {
        status: Status::OK,
        version: Some(put.version),
        text: Some(text),
    })
}

/// The number that a text says. What is around it does not matter: files end with a line.
fn number(text: &[u8]) -> Option<i64> {
    let text = core::str::from_utf8(text.trim_ascii()).ok()?;
    text.parse().ok()
}

fn list(listing: &Listing, store: &Store) -> Vec<u8> {
    let mut text = Vec::new();
    for name in store.names(listing).take(listing.limit) {
        encode(name, &mut text);
        text.push(b'\n');
        if text.len() > LISTED_BYTES {
            break;
        }
    }
    text
}

fn judge(name: &Name, conditions: &Conditions, store: &Store) -> Result<(), Refusal> {
    let version = store.find(name).map(|entry| entry.version);
    conditions
        .judge(version)
        .map_err(|failed| not_so(failed, version))
}

fn missing(name: &Name) -> Refusal {
    Refusal::new(
        Status::NOT_FOUND,
        format!("expected a key that is there; found no {}", shown(name)),
    )
}

fn not_so(failed: Failed, version: Option<u64>) -> Refusal {
    let expected = match failed {
        Failed::Match => "expected what If-Match says",
        Failed::NoneMatch => "expected what If-None-Match says",
    };
    let found = match version {
        Some(version) => format!("version \"{version}\""),
        None => "no such key".to_string(),
    };
    Refusal::new(
        Status::PRECONDITION_FAILED,
        format!("{expected}; found {found}"),
    )
}
