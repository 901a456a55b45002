//! New views in the commit model: rules 29 and 31, and an earlier draft of 28.
//!
//! Members enter one by one, any of them first. What was committed before is undone, so
//! everybody begins again, with what the stores have: version 0.
use crate::commit::config::{MEMBERS, PAGES};
use crate::commit::state::{Entry, Message, Page, Phase, only};
use crate::commit::step::Step;

impl Step<'_> {
    pub(crate) fn enter_view(&mut self, me: usize) {
        let is_member = |node: &usize| self.config.is_member(*node);
        let members: Vec<usize> = (0..MEMBERS).filter(is_member).collect();
        // Above every epoch of the view before.
        let first_epoch = self.config.advances + 1;
        let runs = me < self.config.programs.len();
        let node = &mut self.state.nodes[me];
        node.view += 1;
        node.epoch = node.epoch.max(first_epoch);
        node.missing = members.iter().copied().map(only).sum();
        node.pages = [Page::ABSENT; PAGES];
        node.program = 0;
        node.losses = 0;
        node.phase = if runs { Phase::Running } else { Phase::Done };
        for page in (0..PAGES).filter(|&page| usize::from(self.config.homes[page]) == me) {
            self.state.entries[page] = Entry::UNKNOWN;
        }
        self.begin(me);
        for member in members {
            self.send(me, member, 0, Message::Inventory);
        }
    }

    pub(crate) fn on_inventory(&mut self, me: usize, from: usize) {
        self.state.nodes[me].missing &= !only(from);
        if self.state.nodes[me].missing == 0 {
            let homes = self.config.homes;
            let own = (0..PAGES).filter(|&page| usize::from(homes[page]) == me);
            own.for_each(|page| self.serve_queue(page));
        }
    }

    /// The page's home has not heard of every store.
    pub(crate) fn is_gated(&self, page: usize) -> bool {
        let home = usize::from(self.config.homes[page]);
        self.state.nodes[home].missing != 0
    }
}
