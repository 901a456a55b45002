//! What is answered to what.
use crate::client::{Client, answers, answers_however_split, request, status, store};

const GET: &str = "GET /keys/a HTTP/1.1\r\nHost: h\r\n\r\n";

#[test]
fn a_value_comes_back_as_it_was_put() {
    let (mut store, mut client) = (store(), Client::new());
    let mut ask = |request: &str| client.ask(&mut store, request);
    assert_eq!(
        ask(
            "PUT /keys/a HTTP/1.1\r\nHost: h\r\nContent-Type: text/html\r\n\
             Content-Length: 3\r\n\r\none"
        ),
        "HTTP/1.1 201 Created\r\nContent-Length: 0\r\nETag: \"1\"\r\n\r\n"
    );
    assert_eq!(
        ask(GET),
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Type: text/html\r\n\
         ETag: \"1\"\r\n\r\none"
    );
    assert_eq!(
        ask("HEAD /keys/a HTTP/1.1\r\nHost: h\r\n\r\n"),
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Type: text/html\r\n\
         ETag: \"1\"\r\n\r\n"
    );
    assert_eq!(
        ask("PUT /keys/a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"),
        "HTTP/1.1 204 No Content\r\nETag: \"2\"\r\n\r\n"
    );
    assert_eq!(
        ask(GET),
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Type: application/octet-stream\r\n\
         ETag: \"2\"\r\n\r\n"
    );
    assert_eq!(
        ask("DELETE /keys/a HTTP/1.1\r\nHost: h\r\n\r\n"),
        "HTTP/1.1 204 No Content\r\n\r\n"
    );
    for request in [GET, "DELETE /keys/a HTTP/1.1\r\nHost: h\r\n\r\n"] {
        assert_eq!(
            ask(request),
            "HTTP/1.1 404 Not Found\r\nContent-Length: 43\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\r\n\
             expected a key that is there; found no `a`\n"
        );
    }
}

#[test]
fn a_condition_decides_whether_a_request_is_done() {
    let (mut store, mut client) = (store(), Client::new());
    let mut status = |line: &str, headers: &str, content: Option<&[u8]>| {
        client.send(&request(line, headers, content));
        client.serve(&mut store);
        status(&client.received())
    };
    let (put, get, any) = ("PUT /keys/a", "GET /keys/a", "If-None-Match: *\r\n");
    assert_eq!(status(put, "If-Match: *\r\n", Some(b"x")), 412);
    assert_eq!(status(get, "If-Match: *\r\n", None), 404);
    assert_eq!(status(put, any, Some(b"1")), 201);
    assert_eq!(status(put, any, Some(b"x")), 412);
    assert_eq!(status(put, "If-Match: \"2\"\r\n", Some(b"x")), 412);
    assert_eq!(status(put, "if-match: \"9\", \"1\"\r\n", Some(b"2")), 204);
    assert_eq!(status(get, "If-None-Match: \"2\"\r\n", None), 304);
    assert_eq!(status(get, "If-None-Match: \"1\"\r\n", None), 200);
    assert_eq!(status(get, "If-Match: \"1\"\r\n", None), 412);
    let add = "POST /keys/a/add";
    assert_eq!(status(add, "If-Match: \"1\"\r\n", Some(b"1")), 412);
    assert_eq!(status(add, "If-Match: \"2\"\r\n", Some(b"1")), 200);
    assert_eq!(status("DELETE /keys/a", "If-Match: \"2\"\r\n", None), 412);
    assert_eq!(status("DELETE /keys/a", "If-Match: \"3\"\r\n", None), 204);
    // No version comes again, so who has missed the removal finds out.
    assert_eq!(status(put, "", Some(b"x")), 201);
    assert_eq!(status(put, "If-Match: \"1\"\r\n", Some(b"x")), 412);
    assert_eq!(status(get, "If-Match: \"4\"\r\n", None), 200);
}

#[test]
fn numbers_are_added_and_nothing_else_is() {
    let (mut store, mut client) = (store(), Client::new());
    let mut add = |content: &str| {
        client.send(&request("POST /keys/n/add", "", Some(content.as_bytes())));
        client.serve(&mut store);
        let answer = String::from_utf8(client.received()).unwrap();
        let content = answer.split("\r\n\r\n").nth(1).unwrap();
        (status(answer.as_bytes()), content.to_owned())
    };
    assert_eq!(add("5"), (200, "5".to_owned()));
    assert_eq!(add("-12\n"), (200, "-7".to_owned()));
    assert_eq!(add("0"), (200, "-7".to_owned()));
    for wrong in ["", "x", "1.5", "1 2", "9223372036854775808"] {
        let (status, text) = add(wrong);
        assert_eq!(status, 400, "{wrong}");
        assert!(text.contains(&format!("found `{wrong}`")), "{text}");
    }
    assert_eq!(add("-9223372036854775808").0, 409);
    assert_eq!(add("0"), (200, "-7".to_owned()));
    client.send(&request("PUT /keys/n", "", Some(b"many")));
    client.serve(&mut store);
    let _ = client.received();
    client.send(&request("POST /keys/n/add", "", Some(b"1")));
    client.serve(&mut store);
    assert_eq!(status(&client.received()), 409);
}

#[test]
fn names_are_listed_in_order_as_paths_write_them() {
    let (mut store, mut client) = (store(), Client::new());
    for name in ["b", "a%2fb", "a", "a%0A", "c"] {
        client.send(&request(&format!("PUT /keys/{name}"), "", Some(b"")));
    }
    client.serve(&mut store);
    let _ = client.received();
    let mut list = |query: &str| {
        client.send(&request(&format!("GET /keys{query}"), "", None));
        client.serve(&mut store);
        let answer = String::from_utf8(client.received()).unwrap();
        let content = answer.split("\r\n\r\n").nth(1).unwrap();
        content.to_owned()
    };
    assert_eq!(list(""), "a\na%0A\na%2Fb\nb\nc\n");
    assert_eq!(list("?limit=2"), "a\na%0A\n");
    assert_eq!(list("?limit=2&after=a%0A"), "a%2Fb\nb\n");
    assert_eq!(list("?prefix=a&after=a"), "a%0A\na%2Fb\n");
    assert_eq!(list("?prefix=x"), "");
}

#[test]
fn a_long_listing_ends_early_and_goes_on_behind_its_last_name() {
    let (mut store, mut client) = (store(), Client::new());
    let name = |number: usize| format!("{number:0>1000}");
    for number in 0..200 {
        client.send(&request(
            &format!("PUT /keys/{}", name(number)),
            "",
            Some(b""),
        ));
    }
    client.serve(&mut store);
    let _ = client.received();
    let mut seen = Vec::new();
    loop {
        let after = seen
            .last()
            .map_or(String::new(), |last| format!("&after={last}"));
        let line = format!("GET /keys?limit=1000{after}");
        client.send(&request(&line, "", None));
        client.serve(&mut store);
        let answer = String::from_utf8(client.received()).unwrap();
        assert!(answer.len() < 70_000);
        let names = answer.split("\r\n\r\n").nth(1).unwrap().lines();
        let before = seen.len();
        seen.extend(names.map(str::to_owned));
        if seen.len() == before {
            break;
        }
    }
    assert_eq!(seen, (0..200).map(name).collect::<Vec<_>>());
}

#[test]
fn requests_in_any_pieces_are_answered_the_same() {
    let bytes = [
        &request("PUT /keys/a", "Content-Type: x/y\r\n", Some(b"one"))[..],
        b"PUT /keys/b HTTP/1.1\r\nhost: h\r\nTransfer-Encoding: Chunked\r\n\r\n\
          5;x=\"y\"\r\nhello\r\n0b \r\n, big world\r\n000\r\nTrailer: x\r\n\r\n",
        b"\r\n",
        GET.as_bytes(),
        b"GET /keys/b HTTP/1.1\nHost: h\n\n",
        &request("PUT /keys/b", "Expect: 100-Continue\r\n", Some(b"two")),
        b"HEAD /keys/b HTTP/1.1\r\nHost: h\r\n\r\n",
        &request("PUT /nowhere", "", Some(b"GET /x HTTP/1.1\r\n\r\n")),
        &request("DELETE /keys", "", None),
        &request("GET http://h:1/keys?limit=1", "", Some(b"not looked at")),
        b"GET /keys/b HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
        &request("GET /keys/b", "Connection: x, close\r\n", None),
        GET.as_bytes(),
    ]
    .concat();
    let (answers, is_closed) = answers_however_split(&bytes);
    let answers = String::from_utf8(answers).unwrap();
    let statuses: Vec<&str> = answers
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|it| &it[..3])
        .collect();
    assert_eq!(
        statuses,
        [
            "201", "201", "200", "200", "100", "204", "200", "404", "405", "200", "200", "200"
        ]
    );
    assert!(answers.contains("\r\n\r\nhello, big world"));
    assert!(answers.contains("\r\nAllow: GET, HEAD\r\n"));
    assert!(answers.contains("\r\nConnection: keep-alive\r\n\r\ntwo"));
    assert!(answers.ends_with("\r\nConnection: close\r\n\r\ntwo"));
    assert!(is_closed);
}

#[test]
fn answers_that_leave_byte_by_byte_are_the_same() {
    let requests = request("GET /", "", None).repeat(50);
    let (expected, _) = answers(&[&requests]);
    let (mut store, mut client) = (store(), Client::with_room(0));
    client.send(&requests);
    let mut received = Vec::new();
    for _ in 0..expected.len() {
        client.serve(&mut store);
        client.make_room(1);
        received.extend(client.received());
    }
    client.serve(&mut store);
    received.extend(client.received());
    assert!(received == expected);
}

#[test]
fn who_waits_for_leave_to_send_gets_it_or_the_answer() {
    let (mut store, mut client) = (store(), Client::new());
    let head = |line: &str, version: &str| {
        format!(
            "{line} HTTP/{version}\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        )
    };
    let leave = "HTTP/1.1 100 Continue\r\n\r\n";
    assert_eq!(client.ask(&mut store, &head("PUT /keys/a", "1.1")), leave);
    assert_eq!(status(client.ask(&mut store, "ab").as_bytes()), 201);
    let answer = client.ask(&mut store, &head("PUT /x", "1.1"));
    assert_eq!(status(answer.as_bytes()), 404);
    assert!(client.is_closed(), "the content may or may not follow");
    let mut old = Client::new();
    assert_eq!(old.ask(&mut store, &head("PUT /keys/a", "1.0")), "");
    assert_eq!(status(old.ask(&mut store, "cd").as_bytes()), 204);
}

#[test]
fn who_sends_no_more_is_answered_and_what_is_not_whole_is_not_done() {
    let (mut store, mut client) = (store(), Client::new());
    client.send(&request("PUT /keys/a", "", Some(b"1")));
    let part = request("PUT /keys/a", "", Some(b"234"));
    client.send(&part[..part.len() - 1]);
    client.end();
    client.serve(&mut store);
    assert_eq!(status(&client.received()), 201);
    assert!(client.is_closed());
    let mut other = Client::new();
    assert!(other.ask(&mut store, GET).ends_with("\r\n\r\n1"));
    assert!(!other.is_closed());
    other.break_off();
    other.serve(&mut store);
    assert!(other.is_closed());
}
