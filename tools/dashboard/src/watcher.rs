//! A browser that watches.
use std::ops::ControlFlow;
use std::sync::Arc;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use screen::Image;

use crate::room::Room;
use crate::{frame, hands};

/// Tells it what changes and hears what it does, until it goes.
pub(crate) async fn watch(room: Arc<Room>, socket: WebSocket) {
    let (mut sink, stream) = socket.split();
    let why = tokio::select! {
        () = tell(&room, &mut sink) => None,
        why = hear(&room, stream) => why,
    };
    if let Some(why) = why {
        let reason = why.chars().take(100).collect::<String>().into();
        let code = close_code::POLICY;
        // It has gone: then it need not be told.
        let _ = sink
            .send(Message::Close(Some(CloseFrame { code, reason })))
            .await;
    }
}

/// Always the newest: what came and went while it was busy it never hears of.
async fn tell(room: &Room, sink: &mut SplitSink<WebSocket, Message>) {
    let (mut news, mut picture) = (room.news.subscribe(), room.picture.subscribe());
    room.wake();
    // What is there already is old, unless others watch; but better than nothing.
    picture.mark_changed();
    let mut shown: Option<Arc<Image>> = None;
    loop {
        let message = tokio::select! {
            Ok(()) = news.changed() => {
                let json: &str = &news.borrow_and_update().json;
                Message::Text(json.into())
            }
            Ok(()) = picture.changed() => {
                let Some(image) = picture.borrow_and_update().clone() else {
                    continue;
                };
                let frame = frame::encode(&image, shown.as_deref());
                shown = Some(image);
                match frame {
                    Some(frame) => Message::Binary(frame.into()),
                    None => continue,
                }
            }
        };
        if sink.send(message).await.is_err() {
            return;
        }
    }
}

/// Until it goes, or says what makes no sense: then what was wrong with it.
async fn hear(room: &Room, mut stream: SplitStream<WebSocket>) -> Option<String> {
    let whose = room.number();
    while let Some(Ok(message)) = stream.next().await {
        match hear_one(room, whose, &message).await {
            ControlFlow::Continue(()) => {}
            ControlFlow::Break(why) => return why,
        }
    }
    None
}

async fn hear_one(room: &Room, whose: u8, message: &Message) -> ControlFlow<Option<String>> {
    match message {
        Message::Text(text) => match hands::parse(text, whose) {
            Ok(event) => match room.events.send(event).await {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(None),
            },
            Err(why) => ControlFlow::Break(Some(why)),
        },
        Message::Binary(_) => ControlFlow::Break(Some("expected text, found bytes".into())),
        Message::Ping(_) | Message::Pong(_) => ControlFlow::Continue(()),
        Message::Close(_) => ControlFlow::Break(None),
    }
}
