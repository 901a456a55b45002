//! What is served: a page, and a line to it.
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::room::Room;
use crate::watcher;

const PAGE: &str = include_str!("page.html");
/// Bytes of what a browser says at a time: a key, or where the pointer is.
const MESSAGE_BYTES_MAX: usize = 1024;
/// The page uses nothing from elsewhere, and is part of no other page.
const HEADERS: [(HeaderName, &str); 3] = [
    (CONTENT_TYPE, "text/html; charset=utf-8"),
    (CACHE_CONTROL, "no-store"),
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
         connect-src 'self'; frame-ancestors 'none'",
    ),
];

pub(crate) fn router(room: Arc<Room>) -> Router {
    Router::new()
        .route("/", get(async || (HEADERS, PAGE)))
        .route("/watch", get(open_line))
        .with_state(room)
}

/// A line to the page. Who has it can type: so only this page gets one, and not another that
/// the same browser shows.
async fn open_line(
    State(room): State<Arc<Room>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if let Err(why) = check_origin(&headers) {
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    upgrade
        .max_message_size(MESSAGE_BYTES_MAX)
        .on_upgrade(|socket| watcher::watch(room, socket))
}

/// The page that asks must come from here. A name other than `localhost` may be anybody's who
/// lets it lead here, so only addresses count.
fn check_origin(headers: &HeaderMap) -> Result<(), String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(HOST).unwrap_or("");
    let origin = text(ORIGIN).unwrap_or("");
    let uri = host.parse::<Uri>().unwrap_or_default();
    let name = uri.host().unwrap_or("").trim_matches(['[', ']']);
    if name != "localhost" && name.parse::<IpAddr>().is_err() {
        return Err(format!(
            "expected the dashboard to be reached by its address, found the name {host:?}\n"
        ));
    }
    if origin.strip_prefix("http://") != Some(host) {
        return Err(format!(
            "expected a page of http://{host}, found one of {origin:?}\n"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, origin: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        headers.insert(ORIGIN, origin.parse().unwrap());
        check_origin(&headers).is_ok()
    }

    #[test]
    fn only_the_page_itself_gets_a_line() {
        assert!(check("127.0.0.1:7390", "http://127.0.0.1:7390"));
        assert!(check("localhost:7390", "http://localhost:7390"));
        assert!(check("[::1]:7390", "http://[::1]:7390"));
        for (host, origin) in [
            ("127.0.0.1:7390", "http://127.0.0.1:8000"),
            ("127.0.0.1:7390", "http://example.org"),
            ("127.0.0.1:7390", "http://127.0.0.1:7390.example.org"),
            ("127.0.0.1:7390", "null"),
            ("127.0.0.1:7390", ""),
            // A name that its owner lets lead here.
            ("example.org:7390", "http://example.org:7390"),
            ("", "http://"),
        ] {
            assert!(!check(host, origin), "{host} {origin}");
        }
        assert!(check_origin(&HeaderMap::new()).is_err());
    }
}
