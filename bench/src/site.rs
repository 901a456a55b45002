//! A node reduced to what a transaction passes through: the memory's state machine, the
//! engine, a real view and, between two of them, real links. No scheduler, no kernel
//! tables, no store: nothing is read from a disk, and no epoch ends by itself.
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use dtm::{
    Access, AccessResult, Attempt, CommitMode, Config, Dtm, Input, Output, PageMemory, TxnStatus,
};
use engine::{GuestFault, HostCall, Instance, Limits, StepHost, Stop};
use linux::{LinuxClock, LinuxViews, Network, NetworkConfig};
use platform::{Clock, ClusterId, Event, Events, GuestSpace, Links, ViewMemory, Views, Wait};
use types::{
    Durability, Duration, Epoch, Instant, Member, NodeId, PAGE_SIZE, PageBytes, PageId, PageIndex,
    RegionId, Seq, Stamp, StoreId, TxnTimestamp, Version, View, ViewNumber, limits,
};
use wire::{Envelope, Hold, Image, Message, PageVersion, ReadWish};

/// The region that all transactions are about.
const REGION: RegionId = RegionId(limits::FIRST_APPLICATION_REGION);
/// The view of the memory.
const VIEW: ViewNumber = ViewNumber(1);
const EPOCH: Epoch = Epoch(1);
/// Marks the messages of the raw exchange of pages, which pass the memory by.
const RAW: ViewNumber = ViewNumber(u64::MAX);
/// Longest sleep; whatever arrives ends it.
const WAIT_MAX: Duration = Duration::from_millis(10);

/// Memory of one application: linear memory in its view, header pages in a table.
#[derive(Debug)]
pub(crate) struct Pages {
    view: linux::View,
    header: BTreeMap<PageId, Box<PageBytes>>,
}

/// One node.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) dtm: Dtm,
    pages: Pages,
    network: Option<Network>,
    now: Instant,
    raw_answers: u64,
    /// What the other node has ordered: the first of the pages to be written.
    order: Option<u32>,
    is_left: bool,
}

impl Pages {
    pub(crate) fn new() -> Self {
        let view = LinuxViews::new().create();
        Self {
            view: view.expect("the machine has addresses to give"),
            header: BTreeMap::new(),
        }
    }

    pub(crate) fn space(&self) -> std::sync::Arc<dyn GuestSpace> {
        self.view.space()
    }

    pub(crate) fn view(&mut self) -> &mut linux::View {
        &mut self.view
    }
}

impl PageMemory for Pages {
    fn bytes(&self, page: PageId) -> &PageBytes {
        if page.is_linear() {
            self.view.bytes(page.index)
        } else {
            self.header.get(&page).expect("a mapped page is there")
        }
    }

    fn map(&mut self, page: PageId, bytes: &PageBytes) {
        if page.is_linear() {
            self.view.map(page.index, bytes);
        } else {
            self.header.insert(page, Box::new(*bytes));
        }
    }

    fn unmap(&mut self, page: PageId) {
        if page.is_linear() {
            self.view.unmap(page.index);
        } else {
            self.header.remove(&page);
        }
    }

    fn unprotect(&mut self, page: PageId) {
        if page.is_linear() {
            self.view.unprotect(page.index);
        }
    }

    fn protect(&mut self, page: PageId) {
        if page.is_linear() {
            self.view.protect(page.index);
        }
    }

    fn restore(&mut self, page: PageId, bytes: &PageBytes) {
        assert!(page.is_linear(), "these guests change nothing else");
        self.view.restore(page.index, bytes);
    }
}

impl Site {
    /// The only member of a cluster.
    pub(crate) fn alone() -> Self {
        let mut site = Self::new(None);
        site.enter(NodeId(1), &[NodeId(1)]);
        site
    }

    /// One of two members; `other` is reached at an address that is not known yet.
    pub(crate) fn with_links(me: NodeId, spin: Duration) -> Self {
        let config = NetworkConfig {
            cluster: ClusterId(1),
            key: None,
            me,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tools: None,
            silence: Duration::from_millis(2_000),
            spin,
        };
        let network = Network::open(config).expect("loopback has free ports");
        Self::new(Some(network))
    }

    fn new(network: Option<Network>) -> Self {
        Self {
            dtm: Dtm::new(Config::default()),
            pages: Pages::new(),
            network,
            now: LinuxClock.now(),
            raw_answers: 0,
            order: None,
            is_left: false,
        }
    }

    pub(crate) fn space(&self) -> std::sync::Arc<dyn GuestSpace> {
        self.pages.space()
    }

    /// A committed word of linear memory, at an address in a page that is mapped.
    pub(crate) fn word(&self, address: u32) -> i64 {
        let page_size = u32::try_from(PAGE_SIZE).expect("4096");
        let page = self.pages.view.bytes(PageIndex(address / page_size));
        let at = (address % page_size) as usize;
        i64::from_le_bytes(page[at..at + 8].try_into().expect("8 bytes"))
    }

    pub(crate) fn network(&mut self) -> &mut Network {
        self.network.as_mut().expect("this site has links")
    }

    /// Enters the view with these members, all with empty stores.
    pub(crate) fn enter(&mut self, me: NodeId, members: &[NodeId]) {
        let member = |&node: &NodeId| Member {
            node,
            store: StoreId(u64::from(node.0)),
        };
        let view = View {
            number: VIEW,
            leader: members[0],
            members: members.iter().map(member).collect(),
            leaving: Vec::new(),
            stable: Epoch(0),
            first_epoch: EPOCH,
            durability: Durability::Disk,
            fallbacks: Vec::new(),
        };
        let input = Input::View { view, you: me };
        self.dtm.handle(self.now, input, &mut self.pages);
        for &from in members {
            let message = Message::Inventory {
                extents: Vec::new(),
                last: true,
            };
            let envelope = Envelope {
                from,
                view: VIEW,
                epoch: EPOCH,
                message,
            };
            self.dtm
                .handle(self.now, Input::Message(envelope), &mut self.pages);
        }
    }

    /// Runs one step as a transaction, as often as it takes to commit it.
    pub(crate) fn transact(&mut self, instance: &mut Instance, entry: &str, argument: i64) {
        let mut attempt = Attempt::First;
        loop {
            self.dtm
                .begin(self.now, attempt, CommitMode::Apply, &mut self.pages);
            attempt = Attempt::Retry;
            match instance.step(self, entry, argument, Limits::default()) {
                Ok(_) if self.commit() => return,
                Ok(_) | Err(Stop::Conflict | Stop::Fallback) => {
                    self.dtm.rollback(self.now, &mut self.pages);
                    self.flush();
                }
                Err(stop) => panic!("our own guests do not fail: {stop}"),
            }
        }
    }

    fn commit(&mut self) -> bool {
        self.dtm.commit(self.now, &mut self.pages);
        loop {
            match self.dtm.transaction() {
                TxnStatus::Committed(_) => return true,
                TxnStatus::Committing => self.pump(),
                _ => return false,
            }
        }
    }

    fn access(&mut self, page: PageIndex, access: Access) -> Result<(), Stop> {
        let page = PageId {
            region: REGION,
            index: page,
        };
        loop {
            match self.dtm.access(self.now, page, access, &mut self.pages) {
                AccessResult::Ready => return Ok(()),
                AccessResult::Stopped => return Err(Stop::Conflict),
                AccessResult::Wait => self.pump(),
            }
        }
    }

    /// Ends the epoch at this node and keeps nothing for any store.
    pub(crate) fn advance_epoch(&mut self) {
        self.dtm
            .handle(self.now, Input::AdvanceEpoch, &mut self.pages);
    }

    /// Captures what the ended epochs have written, as if it were stored and stable.
    pub(crate) fn store_everything(&mut self) {
        while self.dtm.snapshot_step(self.now, usize::MAX, &self.pages) {}
        let mut parts = Vec::new();
        while let Some(Output::Send { envelope, .. }) = self.dtm.poll_output() {
            if let Message::PartEnd { epoch, .. } = envelope.message {
                parts.push(epoch);
            }
        }
        for epoch in parts {
            let stored = [Message::PartStored { epoch }, Message::Stable { epoch }];
            for message in stored {
                let envelope = Envelope {
                    from: self.dtm.me(),
                    view: VIEW,
                    epoch: self.dtm.epoch(),
                    message,
                };
                self.dtm
                    .handle(self.now, Input::Message(envelope), &mut self.pages);
            }
        }
    }

    /// Sends what there is to send, waits for an event, handles it.
    pub(crate) fn pump(&mut self) {
        self.flush();
        let until = Wait::Until(LinuxClock.now() + WAIT_MAX);
        let event = self.network().next_event(until);
        self.now = LinuxClock.now();
        match event {
            Some(Event::Message(envelope)) if envelope.view == RAW => self.on_raw(&envelope),
            Some(Event::Message(envelope)) => {
                let input = Input::Message(envelope);
                self.dtm.handle(self.now, input, &mut self.pages);
            }
            Some(Event::LinkLost { .. }) => self.is_left = true,
            _ => self.dtm.handle(self.now, Input::Tick, &mut self.pages),
        }
        self.flush();
    }

    fn flush(&mut self) {
        let Some(network) = &mut self.network else {
            return;
        };
        while let Some(Output::Send { to, envelope }) = self.dtm.poll_output() {
            network.send(to, &envelope);
        }
        network.flush();
    }

    /// Asks the other node for the bytes of a page, with no protocol about it, and waits
    /// for them.
    pub(crate) fn exchange_raw(&mut self, other: NodeId) {
        let ts = TxnTimestamp {
            lamport: 0,
            node: self.dtm.me(),
        };
        let page = PageId::new(REGION.0, 0);
        let message = Message::GetShared {
            page,
            ts,
            wish: ReadWish::Copy,
        };
        self.ask_raw(other, message);
    }

    /// Has the other node write pages, and serves it meanwhile.
    pub(crate) fn order(&mut self, other: NodeId, first: u32) {
        let page = PageId::new(REGION.0, first);
        self.ask_raw(other, Message::Stale { page });
    }

    /// The order that has come.
    pub(crate) fn next_order(&mut self) -> Option<u32> {
        self.order.take()
    }

    pub(crate) fn order_done(&mut self, other: NodeId) {
        self.say_raw(other, Message::Heartbeat);
    }

    /// Whether the other node has ended.
    pub(crate) fn is_left(&self) -> bool {
        self.is_left
    }

    fn ask_raw(&mut self, other: NodeId, message: Message) {
        let answers = self.raw_answers;
        self.say_raw(other, message);
        while self.raw_answers == answers {
            assert!(!self.is_left, "the other node has ended");
            self.pump();
        }
    }

    fn on_raw(&mut self, envelope: &Envelope) {
        match envelope.message {
            Message::GetShared { page, .. } => {
                let content = PageVersion {
                    version: Version(1),
                    stamp: Stamp::ZERO,
                    image: Image::of(&[7; PAGE_SIZE]),
                };
                let seq = Seq(0);
                let answer = Message::Data {
                    page,
                    seq,
                    content,
                    hold: Hold::Shared,
                };
                self.say_raw(envelope.from, answer);
            }
            Message::Stale { page } => self.order = Some(page.index.0),
            _ => self.raw_answers += 1,
        }
    }

    fn say_raw(&mut self, to: NodeId, message: Message) {
        let envelope = Envelope {
            from: self.dtm.me(),
            view: RAW,
            epoch: EPOCH,
            message,
        };
        self.network().send(to, &envelope);
        self.network().flush();
    }
}

impl StepHost for Site {
    fn read_fault(&mut self, page: PageIndex) -> Result<(), Stop> {
        self.access(page, Access::Read)
    }

    fn write_fault(&mut self, page: PageIndex) -> Result<(), Stop> {
        self.access(page, Access::Write)
    }

    fn header_read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Stop> {
        let index = PageIndex(engine::header::FIRST_PAGE);
        self.access(index, Access::Read)?;
        let page = PageId {
            region: REGION,
            index,
        };
        let at = offset as usize;
        bytes.copy_from_slice(&self.pages.bytes(page)[at..at + bytes.len()]);
        Ok(())
    }

    fn header_write(&mut self, _offset: u32, _bytes: &[u8]) -> Result<(), Stop> {
        Err(unexpected())
    }

    fn interrupt(&mut self) -> Result<(), Stop> {
        Ok(())
    }

    fn call(&mut self, _call: HostCall<'_>) -> Result<i64, Stop> {
        Err(unexpected())
    }
}

/// The guests of benchmarks neither grow nor have globals nor call.
pub(crate) fn unexpected() -> Stop {
    GuestFault::refused("expected a guest that changes linear memory only").into()
}
