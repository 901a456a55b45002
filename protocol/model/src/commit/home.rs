//! The home of the commit model: rules 1 to 4.
use crate::commit::config::Plant;
use crate::commit::state::{Busy, Entry, Fault, Hold, Message, Request, Wish, only, small};
use crate::commit::step::Step;

impl Step<'_> {
    pub(crate) fn on_request(&mut self, page: usize, request: Request) {
        self.state.entries[page].queue.push(request);
        self.serve_queue(page);
    }

    pub(crate) fn on_read_confirm(&mut self, page: usize, from: usize, held: Option<Hold>) {
        let is_confirmed = !self.config.has(Plant::UnconfirmedReads);
        let entry = &mut self.state.entries[page];
        if is_confirmed && entry.busy != Busy::Reading(small(from)) {
            return self.fail(Fault::Directory);
        }
        match held {
            None => {}
            Some(Hold::Copy) => entry.sharers |= only(from),
            Some(Hold::Whole) => {
                // The planted bug breaks this assertion first; what it protects is the point.
                if entry.sharers != 0 && !self.config.has(Plant::HandOverShared) {
                    return self.fail(Fault::Directory);
                }
                entry.owner = Some(small(from));
            }
        }
        if is_confirmed {
            self.state.entries[page].busy = Busy::No;
            self.serve_queue(page);
        }
    }

    pub(crate) fn on_confirm(
        &mut self,
        page: usize,
        from: usize,
        is_exclusive: bool,
        refused: u8,
        is_owner: bool,
    ) {
        let entry = &mut self.state.entries[page];
        if entry.busy != Busy::Upgrading(small(from)) {
            return self.fail(Fault::Directory);
        }
        if is_exclusive {
            entry.owner = Some(small(from));
            entry.sharers = 0;
        } else if !self.config.has(Plant::FailureForgotten) {
            entry.sharers &= refused;
            if is_owner {
                entry.owner = Some(small(from));
            }
            entry.sharers |= only(from);
            if let Some(owner) = entry.owner {
                entry.sharers &= !only(usize::from(owner));
            }
        }
        entry.busy = Busy::No;
        self.serve_queue(page);
    }

    pub(crate) fn serve_queue(&mut self, page: usize) {
        if self.is_gated(page) && !self.config.has(Plant::NoGate) {
            return;
        }
        loop {
            let entry = &mut self.state.entries[page];
            if entry.busy != Busy::No || entry.queue.is_empty() {
                return;
            }
            let request = entry.queue.remove(0);
            match request.wish {
                Wish::Read(hold) => self.serve_read(page, request, hold),
                Wish::Exclusive => self.serve_exclusive(page, request),
            }
        }
    }

    fn serve_read(&mut self, page: usize, request: Request, wish: Hold) {
        let home = usize::from(self.config.homes[page]);
        let requester = usize::from(request.from);
        let may_share = self.config.has(Plant::HandOverShared);
        let entry = &mut self.state.entries[page];
        if entry.owner == Some(request.from) {
            return self.fail(Fault::Directory);
        }
        entry.sharers &= !only(requester);
        if self.config.has(Plant::UnconfirmedReads) {
            entry.sharers |= only(requester);
        } else {
            entry.busy = Busy::Reading(request.from);
        }
        let others = entry.sharers & !only(requester);
        let hold = match wish {
            Hold::Whole if others == 0 || may_share => Hold::Whole,
            _ => Hold::Copy,
        };
        let Some(source) = source(entry, others, home) else {
            // Nobody has written the page in this view, so the stores are current; whoever
            // has not heard of them takes the page for zeroes.
            let version = if self.is_gated(page) { ZEROES } else { 0 };
            let message = Message::Data { version, hold };
            return self.send(home, requester, page, message);
        };
        let message = Message::Forward {
            requester: request.from,
            ts: request.ts,
            hold,
        };
        self.send(home, source, page, message);
    }

    fn serve_exclusive(&mut self, page: usize, request: Request) {
        let home = usize::from(self.config.homes[page]);
        let requester = usize::from(request.from);
        let entry = &mut self.state.entries[page];
        let owner = entry.owner.map_or(0, |owner| only(usize::from(owner)));
        let holders = entry.sharers | owner;
        if holders & only(requester) == 0 && !self.config.has(Plant::NoStale) {
            return self.send(home, requester, page, Message::Stale);
        }
        entry.busy = Busy::Upgrading(request.from);
        let need = holders & !only(requester);
        self.send(home, requester, page, Message::Grant { need });
        let message = Message::Invalidate {
            requester: request.from,
            ts: request.ts,
        };
        for holder in (0..8).filter(|&holder| need & only(holder) != 0) {
            self.send(home, holder, page, message);
        }
    }
}

/// A page that was never written; version 0 is what the stores have.
const ZEROES: u8 = u8::MAX;

/// Who serves a read: the home's node if it can, else the owner, else the first sharer.
fn source(entry: &Entry, sharers: u8, home: usize) -> Option<usize> {
    if sharers & only(home) != 0 {
        return Some(home);
    }
    let first = (0..8).find(|&sharer| sharers & only(sharer) != 0);
    entry.owner.map(usize::from).or(first)
}
