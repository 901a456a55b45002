//! How much clients may ask for, and have kept for them.
use kv_core::{Store, limits};

use crate::client::{Client, answers, request, status, store};

fn asked(bytes: &[u8]) -> u16 {
    let whole = answers(&[bytes]);
    let pieces: Vec<&[u8]> = bytes.chunks(1000).collect();
    assert!(answers(&pieces) == whole);
    status(&whole.0)
}

#[test]
fn heads_are_as_long_as_they_may_be_and_no_longer() {
    let line = |length: usize| {
        let name = "/x".repeat((length - "GET  HTTP/1.1\r\n".len()) / 2);
        request(&format!("GET {name}"), "", None)
    };
    assert_eq!(asked(&line(limits::LINE_BYTES_MAX)), 404);
    assert_eq!(asked(&line(limits::LINE_BYTES_MAX + 2)), 414);
    assert_eq!(asked(&[b'x'; 10_000]), 414);
    let header = |length: usize| {
        let header = format!("X: {}\r\n", "x".repeat(length));
        request("GET /", &header, None)
    };
    let rest = header(0).len();
    assert_eq!(asked(&header(limits::HEAD_BYTES_MAX - rest)), 200);
    assert_eq!(asked(&header(limits::HEAD_BYTES_MAX - rest + 1)), 431);
    let headers = |count: usize| request("GET /", &"X: x\r\n".repeat(count - 1), None);
    assert_eq!(asked(&headers(limits::HEADERS_MAX)), 200);
    assert_eq!(asked(&headers(limits::HEADERS_MAX + 1)), 431);
    let put = |length: usize| {
        let content_type = format!("Content-Type: {}\r\n", "x".repeat(length));
        request("PUT /keys/a", &content_type, Some(b""))
    };
    assert_eq!(asked(&put(limits::CONTENT_TYPE_BYTES_MAX)), 201);
    assert_eq!(asked(&put(limits::CONTENT_TYPE_BYTES_MAX + 1)), 400);
    let get = |length: usize| request(&format!("GET /keys/{}", "x".repeat(length)), "", None);
    assert_eq!(asked(&get(limits::NAME_BYTES_MAX)), 404);
    assert_eq!(asked(&get(limits::NAME_BYTES_MAX + 1)), 414);
    let trailers = format!("0\r\nX: {}\r\n\r\n", "x".repeat(limits::HEAD_BYTES_MAX));
    let head = request("PUT /keys/a", "Transfer-Encoding: chunked\r\n", None);
    assert_eq!(asked(&[&head, trailers.as_bytes()].concat()), 431);
}

#[test]
fn the_longest_value_comes_back() {
    let (mut store, mut client) = (store(), Client::new());
    let value: Vec<u8> = (0..limits::VALUE_BYTES_MAX)
        .map(|it| (it % 251) as u8)
        .collect();
    let chunks: Vec<u8> = value
        .chunks(70_000)
        .flat_map(|chunk| [format!("{:X}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat())
        .collect();
    let head = request("PUT /keys/b", "Transfer-Encoding: chunked\r\n", None);
    let puts = [
        request("PUT /keys/a", "", Some(&value)),
        [&head[..], &chunks, b"0\r\n\r\n"].concat(),
    ];
    for (put, name) in puts.iter().zip(["a", "b"]) {
        client.send(put);
        client.serve(&mut store);
        assert_eq!(status(&client.received()), 201);
        client.send(&request(&format!("GET /keys/{name}"), "", None));
        client.serve(&mut store);
        assert!(client.received().ends_with(&value));
    }
    let mut longer = Client::new();
    longer.send(&[&head[..], &chunks, b"1\r\n"].concat());
    longer.serve(&mut store);
    assert_eq!(status(&longer.received()), 413);
}

#[test]
fn what_finds_no_room_is_refused_and_the_connection_goes_on() {
    let (mut store, mut client) = (Store::new(100_000), Client::new());
    let mut put = |name: &str, length: usize| {
        client.send(&request(
            &format!("PUT /keys/{name}"),
            "",
            Some(&vec![b'x'; length]),
        ));
        client.serve(&mut store);
        status(&client.received())
    };
    assert_eq!(put("a", 60_000), 201);
    assert_eq!(put("b", 60_000), 507);
    assert_eq!(put("a", 1000), 204);
    assert_eq!(put("b", 60_000), 201);
    assert_eq!(put("a", 60_000), 507);
}

#[test]
fn nothing_is_read_of_who_does_not_take_answers() {
    let (mut store, mut client) = (store(), Client::with_room(2_000_000));
    let value = vec![b'v'; limits::VALUE_BYTES_MAX];
    client.send(&request("PUT /keys/a", "", Some(&value)));
    client.serve(&mut store);
    let told = client.received().len();
    let questions = request("GET /keys/a", "", None).repeat(10_000);
    client.send(&questions);
    client.serve(&mut store);
    assert!(
        client.unread() + (20 << 10) > questions.len(),
        "{}",
        client.unread()
    );
    // As soon as it does take them they come, each once.
    let mut received = 0;
    for _ in 0..200 {
        client.make_room(1_000_000);
        client.serve(&mut store);
        received += client.received().len();
    }
    assert_eq!(received, 2_000_000 - told + 200_000_000);
}

#[test]
fn few_may_have_much_kept_and_the_others_are_served() {
    let mut store = store();
    let put = request("PUT /keys/a", "", Some(&vec![b'x'; 100_000]));
    let (part, rest) = put.split_at(90_000);
    let mut slow: Vec<Client> = (0..limits::PLACES).map(|_| Client::new()).collect();
    for client in &mut slow {
        client.send(part);
        client.serve(&mut store);
    }
    let small = request("PUT /keys/b", "", Some(&vec![b'x'; 60_000]));
    let refused = |store: &mut Store| {
        let mut client = Client::new();
        client.send(&small);
        client.serve(store);
        assert_eq!(
            status(&client.received()) / 100,
            2,
            "who needs little has it"
        );
        client.send(part);
        client.serve(store);
        let answer = client.received();
        !answer.is_empty() && status(&answer) == 503 && client.is_closed()
    };
    assert!(refused(&mut store));
    // Who is done, breaks off or is refused makes room for another.
    slow[0].send(rest);
    slow[1].break_off();
    slow[2].end();
    for client in &mut slow[..3] {
        client.serve(&mut store);
    }
    assert_eq!(status(&slow[0].received()), 201);
    for _ in 0..3 {
        let mut client = Client::new();
        client.send(part);
        client.serve(&mut store);
        assert_eq!(client.received(), b"");
        slow.push(client);
    }
    assert!(refused(&mut store));
}
