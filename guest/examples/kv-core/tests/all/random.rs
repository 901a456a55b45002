//! Random requests do what they do to a plain map.
use std::collections::BTreeMap;

use kv_core::Store;

use crate::client::{Client, request};

/// A small generator.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

#[derive(Default)]
struct Model {
    entries: BTreeMap<usize, (Vec<u8>, u64)>,
    removed: u64,
}

/// What is to be answered: status, version, content.
type Expected = (u16, Option<u64>, Option<Vec<u8>>);

impl Model {
    fn put(&mut self, key: usize, value: Vec<u8>) -> Expected {
        let (status, before) = match self.entries.get(&key) {
            Some((_, version)) => (204, *version),
            None => (201, self.removed),
        };
        self.entries.insert(key, (value, before + 1));
        (status, Some(before + 1), None)
    }

    fn remove(&mut self, key: usize) -> Expected {
        match self.entries.remove(&key) {
            Some((_, version)) => {
                self.removed = self.removed.max(version);
                (204, None, None)
            }
            None => (404, None, None),
        }
    }

    fn add(&mut self, key: usize, amount: i64) -> Expected {
        let before = match self.entries.get(&key) {
            None => Some(0),
            Some((value, _)) => std::str::from_utf8(value)
                .ok()
                .and_then(|it| it.parse().ok()),
        };
        let Some(before): Option<i64> = before else {
            return (409, None, None);
        };
        let sum = (before + amount).to_string().into_bytes();
        let (_, version, _) = self.put(key, sum.clone());
        (200, version, Some(sum))
    }
}

/// A request, and what is to be answered.
fn draw(random: &mut Random, model: &mut Model) -> (Vec<u8>, Expected) {
    let key = random.below(20);
    let path = format!("/keys/{key:02}");
    let version = model.entries.get(&key).map(|(_, version)| *version);
    match random.below(7) {
        0 | 1 => {
            let value = vec![b'a' + random.below(26) as u8; random.below(3000)];
            let put = request(&format!("PUT {path}"), "", Some(&value));
            (put, model.put(key, value))
        }
        2 => {
            let guess = 1 + random.below(30) as u64;
            let guess = version.filter(|_| random.below(2) == 0).unwrap_or(guess);
            let header = format!("If-Match: \"{guess}\"\r\n");
            let put = request(&format!("PUT {path}"), &header, Some(b"7"));
            let expected = match version == Some(guess) {
                true => model.put(key, b"7".to_vec()),
                false => (412, None, None),
            };
            (put, expected)
        }
        3 => (
            request(&format!("DELETE {path}"), "", None),
            model.remove(key),
        ),
        4 => {
            let amount = random.below(100) as i64 - 50;
            let content = amount.to_string().into_bytes();
            let add = request(&format!("POST {path}/add"), "", Some(&content));
            (add, model.add(key, amount))
        }
        5 => {
            let limit = 1 + random.below(10);
            let list = request(&format!("GET /keys?after={key:02}&limit={limit}"), "", None);
            let names = model.entries.range(key + 1..).take(limit);
            let names: String = names.map(|(key, _)| format!("{key:02}\n")).collect();
            (list, (200, None, Some(names.into_bytes())))
        }
        _ => {
            let expected = match model.entries.get(&key) {
                Some((value, version)) => (200, Some(*version), Some(value.clone())),
                None => (404, None, None),
            };
            (request(&format!("GET {path}"), "", None), expected)
        }
    }
}

/// The first answer in what was received, and how long it is.
fn answer(bytes: &[u8]) -> (Expected, usize) {
    let end = bytes
        .windows(4)
        .position(|it| it == b"\r\n\r\n")
        .expect("a head")
        + 4;
    let head = std::str::from_utf8(&bytes[..end]).expect("a head is text");
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
    let length = header("Content-Length: ").map_or(0, |it| it.parse().expect("a length"));
    let version = header("ETag: ").map(|it| it.trim_matches('"').parse().expect("a version"));
    let status = head[9..12].parse().expect("a status");
    let content = (status == 200).then(|| bytes[end..end + length].to_vec());
    ((status, version, content), end + length)
}

#[test]
fn random_requests_do_what_they_do_to_a_plain_map() {
    for seed in 0..20 {
        let mut random = Random(seed);
        let (mut store, mut model) = (Store::new(1 << 20), Model::default());
        let mut clients = [Client::with_room(0), Client::with_room(0)];
        for _ in 0..60 {
            let client = &mut clients[random.below(2)];
            let (mut sent, mut expected) = (Vec::new(), Vec::new());
            for _ in 0..random.below(10) {
                let (request, answer) = draw(&mut random, &mut model);
                sent.extend(request);
                expected.push(answer);
            }
            let mut rest = &sent[..];
            while !rest.is_empty() {
                let (piece, more) = rest.split_at(1 + random.below(rest.len()));
                client.send(piece);
                client.make_room(random.below(2000));
                client.serve(&mut store);
                rest = more;
            }
            while client.unread() > 0 {
                client.make_room(1 + random.below(2000));
                client.serve(&mut store);
            }
            client.make_room(1 << 20);
            client.serve(&mut store);
            client.serve(&mut store);
            let received = client.received();
            let mut rest = &received[..];
            for expected in expected {
                let (found, length) = answer(rest);
                assert!(
                    found == expected,
                    "seed {seed}: {found:?} instead of {expected:?}"
                );
                rest = &rest[length..];
            }
            assert!(rest.is_empty());
            *client = Client::with_room(0);
        }
    }
}
