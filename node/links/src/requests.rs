//! The door for tools: a frame in, a frame out, on connections that the machine lets in.
//!
//! A frame is a length (u32, little-endian) and that many bytes. A connection has one
//! unanswered request at a time; the next is not even read before the reply is sent,
//! so a tool cannot flood the node. A frame without bytes asks for nothing: by such ones a tool
//! that waits finds out that the machine was started again and knows of no connection.
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use platform::{Event, RequestId, Requests};

use crate::exchange::{Core, Exchange, Limits};
use crate::machine::{Machine, Token};
use crate::outbox::Outbox;
use crate::stream::{ReadSide, Source, Stream};

const LENGTH_SIZE: usize = 4;

#[derive(Debug)]
struct Tool<S> {
    stream: Stream<S>,
    /// Its request, while unanswered.
    asks: Option<RequestId>,
}

/// All tools that are connected.
#[derive(Debug)]
pub(crate) struct RequestTable<M: Machine> {
    tools: BTreeMap<Token, Tool<M::Socket>>,
    by_request: BTreeMap<RequestId, Token>,
    requests: u64,
    limits: Limits,
    /// Tools cut off because of bytes that are no request.
    pub(crate) malformed: u64,
}

impl<M: Machine> RequestTable<M> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            tools: BTreeMap::new(),
            by_request: BTreeMap::new(),
            requests: 0,
            limits,
            malformed: 0,
        }
    }

    pub(crate) fn has_room(&self) -> bool {
        self.tools.len() < self.limits.tools
    }

    pub(crate) fn on_accept(&mut self, core: &mut Core<M>, socket: M::Socket) {
        let mut stream = Stream::new(socket, Outbox::default());
        let token = core.add(&mut stream.socket);
        self.tools.insert(token, Tool { stream, asks: None });
    }

    pub(crate) fn on_writable(&mut self, core: &mut Core<M>, token: Token) {
        if let Some(tool) = self.tools.get_mut(&token) {
            tool.stream.on_writable();
            self.flush_one(core, token);
        }
    }

    /// Reads a turn's worth unless a reply is owed; says whether there may be more.
    pub(crate) fn on_readable(
        &mut self,
        core: &mut Core<M>,
        token: Token,
        side: ReadSide,
    ) -> Source {
        let Some(tool) = self.tools.get_mut(&token) else {
            return Source::Closed;
        };
        if tool.asks.is_some() && side == ReadSide::Open {
            return Source::Drained;
        }
        let (_, source) = tool.stream.read_turn(&mut core.machine, side);
        self.use_inbox(core, token);
        if source == Source::Closed {
            self.close(core, token);
        }
        source
    }

    fn use_inbox(&mut self, core: &mut Core<M>, token: Token) {
        let tool = self.tools.get_mut(&token).expect("its caller has found it");
        if tool.asks.is_some() {
            return;
        }
        while tool.stream.inbox.unread().starts_with(&[0; LENGTH_SIZE]) {
            tool.stream.inbox.consume(LENGTH_SIZE);
        }
        let unread = tool.stream.inbox.unread();
        let Some((length, rest)) = unread.split_first_chunk::<LENGTH_SIZE>() else {
            return;
        };
        let length = u32::from_le_bytes(*length) as usize;
        if length > self.limits.request_bytes {
            self.malformed += 1;
            self.close(core, token);
            return;
        }
        let Some(bytes) = rest.get(..length).map(<[u8]>::to_vec) else {
            return;
        };
        tool.stream.inbox.consume(LENGTH_SIZE + length);
        self.requests += 1;
        let id = RequestId(self.requests);
        tool.asks = Some(id);
        self.by_request.insert(id, token);
        core.events.push_back(Event::Request { id, bytes });
    }

    fn reply(&mut self, core: &mut Core<M>, id: RequestId, bytes: &[u8]) {
        let Some(token) = self.by_request.remove(&id) else {
            return;
        };
        let tool = self
            .tools
            .get_mut(&token)
            .expect("its request has not gone");
        assert_eq!(tool.asks, Some(id), "a tool has one request at a time");
        tool.asks = None;
        let length = u32::try_from(bytes.len()).expect("replies are shorter than 4 GiB");
        let tail = tool.stream.outbox.tail();
        tail.extend_from_slice(&length.to_le_bytes());
        tail.extend_from_slice(bytes);
        self.flush_one(core, token);
        // What the tool sent meanwhile has been left unread.
        core.unread.push((token, ReadSide::Open));
    }

    fn flush_one(&mut self, core: &mut Core<M>, token: Token) {
        let tool = self.tools.get_mut(&token).expect("its caller has found it");
        if tool.stream.flush(&mut core.machine).is_err() {
            self.close(core, token);
        }
    }

    fn close(&mut self, core: &mut Core<M>, token: Token) {
        let Some(mut tool) = self.tools.remove(&token) else {
            return;
        };
        core.machine.forget(&mut tool.stream.socket);
        core.machine.close(tool.stream.socket);
        if let Some(id) = tool.asks {
            self.by_request.remove(&id);
            core.events.push_back(Event::RequestGone { id });
        }
    }
}

impl<M: Machine> Requests for Exchange<M> {
    fn reply(&mut self, id: RequestId, bytes: Vec<u8>) {
        self.requests.reply(&mut self.core, id, &bytes);
    }
}
