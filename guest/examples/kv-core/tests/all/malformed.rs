//! What is not done, and after which nothing more is understood.
use crate::client::{answers_however_split, request, status};

/// Asserts that bytes are refused, in whatever pieces they come, and that nothing behind them
/// is looked at.
fn assert_refused(bytes: &[u8], expected: u16, says: &str) {
    let (found, is_closed) = answers_however_split(bytes);
    let shown = bytes.escape_ascii();
    let text = String::from_utf8(found).expect("text is answered");
    assert_eq!(status(text.as_bytes()), expected, "{shown}: {text}");
    assert_eq!(
        text.matches("\r\nConnection: close\r\n").count(),
        1,
        "{text}"
    );
    assert_eq!(text.matches("\r\n\r\n").count(), 1, "{text}");
    assert!(text.contains("expected"), "{text}");
    assert!(text.contains(says), "{shown}: {text}");
    assert!(is_closed, "{shown}");
}

#[test]
fn first_lines_and_headers() {
    for (bytes, expected, says) in [
        (
            &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"[..],
            400,
            "invalid token",
        ),
        (b"*1\r\n$4\r\nPING\r\n", 400, "found"),
        (b"GET /\r\n\r\n", 400, "found"),
        (b"GET / HTTX/1.1\r\n\r\n", 400, "`HTTX/1.1`"),
        (b"GET / HTTP/2.0\r\n\r\n", 505, "`HTTP/2.0`"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "`HTTP/2.0`"),
        (b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", 400, "Host"),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            400,
            "found 2",
        ),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, "header name"),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
            400,
            "header name",
        ),
        (b"GET / HTTP/1.1\r\nHost: \x00\r\n\r\n", 400, "header value"),
        (b"FOO / HTTP/1.1\r\nHost: a\r\n\r\n", 501, "`FOO`"),
        (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 501, "`get`"),
        (b"GET x HTTP/1.1\r\nHost: a\r\n\r\n", 400, "`x`"),
        (b"GET /keys/%4 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "`%4`"),
    ] {
        assert_refused(bytes, expected, says);
    }
}

#[test]
fn headers_that_mean_something() {
    for (line, headers, expected, says) in [
        ("PUT /keys/a", "", 411, "neither"),
        ("POST /keys/a/add", "", 411, "neither"),
        ("PUT /keys/a", "Content-Length: x\r\n", 400, "`x`"),
        ("PUT /keys/a", "Content-Length: -1\r\n", 400, "`-1`"),
        ("PUT /keys/a", "Content-Length: +1\r\n", 400, "`+1`"),
        ("PUT /keys/a", "Content-Length: 1, 1\r\n", 400, "`1, 1`"),
        ("PUT /keys/a", "Content-Length:\r\n", 400, "``"),
        (
            "PUT /keys/a",
            "Content-Length: 1\r\nContent-Length: 1\r\n",
            400,
            "more",
        ),
        (
            "PUT /keys/a",
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            400,
            "both",
        ),
        ("PUT /keys/a", "Content-Length: 1048577\r\n", 413, "1048577"),
        (
            "PUT /keys/a",
            "Content-Length: 99999999999999999999999\r\n",
            413,
            "1048576",
        ),
        (
            "PUT /keys/a",
            "Transfer-Encoding: gzip, chunked\r\n",
            501,
            "gzip",
        ),
        ("GET /", "Expect: nothing\r\n", 417, "`nothing`"),
        ("GET /keys/a", "If-Match: 1\r\n", 400, "`1`"),
        (
            "PUT /keys/a",
            "Content-Length: 1\r\nContent-Encoding: gzip\r\n",
            415,
            "gzip",
        ),
        (
            "PUT /keys/a",
            "Content-Length: 1\r\nContent-Range: bytes 0-0/9\r\n",
            400,
            "part",
        ),
    ] {
        assert_refused(&request(line, headers, None), expected, says);
    }
    let old = b"PUT /keys/a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_refused(old, 400, "HTTP/1.0");
}

#[test]
fn chunks() {
    for (chunks, expected, says) in [
        (&b"x\r\n"[..], 400, "`x`"),
        (b"\r\n\r\n", 400, "chunk"),
        (b"-1\r\n", 400, "`-`"),
        (b"1\r\nab\r\n", 400, "end of a line"),
        (b"1\r\na\n0\r\n\r\n", 400, "end of a line"),
        (b"100001\r\n", 413, "1048577"),
        (b"1\r\na\r\n100000\r\n", 413, "after 1"),
        (b"fffffffffffffffff\r\n", 400, "chunk"),
        (b"0\r\nbad trailer\r\n\r\n", 400, "last chunk"),
    ] {
        let head = request("PUT /keys/a", "Transfer-Encoding: chunked\r\n", None);
        assert_refused(&[&head, chunks].concat(), expected, says);
    }
    let line = [&b"1;"[..], &[b'x'; 300], b"\r\n"].concat();
    let head = request("PUT /keys/a", "Transfer-Encoding: chunked\r\n", None);
    assert_refused(&[&head[..], &line].concat(), 400, "256 bytes");
}
