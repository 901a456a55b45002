//! What happens when a node fails, in the undo model. Rules 8 to 11.
use crate::undo::config::{Config, Fate, NODES, PAGES, Plant};
use crate::undo::state::{
    Decision, Edges, Fault, Frame, Interval, Manifest, Phase, Place, State, Version, small,
};

impl Decision {
    /// Work of earlier views that came after what is kept.
    pub(crate) fn undoes(&self, node: u8, at: Interval) -> bool {
        at.epoch < self.first_epoch && at > self.kept[usize::from(node)]
    }
}

impl State {
    pub(crate) fn crash(&mut self, config: &Config, node: usize) {
        let fate = config.crashes[usize::from(self.crashes)];
        self.crashes += 1;
        if self.phase == Phase::Applying && config.has(Plant::DecisionNotDurable) {
            self.decisions.pop();
        }
        self.phase = Phase::Fenced;
        let memory = &mut self.nodes[node];
        memory.is_alive = false;
        memory.cache = [None; PAGES];
        memory.work.clear();
        memory.before.clear();
        self.disks[node].place = match fate {
            Fate::Kept => Place::Here,
            Fate::Lost => Place::Gone,
            Fate::Returns => Place::Away,
        };
        if fate == Fate::Lost {
            self.disks[node].frames.clear();
            self.disks[node].manifests.clear();
        }
    }

    /// Decides what is kept, and records it; nobody acts before.
    pub(crate) fn decide(&mut self, config: &Config) {
        let mut kept = [Interval::NEVER; NODES];
        let parts = self.kept_of_dead();
        for node in (0..NODES).filter(|&node| !self.nodes[node].is_alive) {
            kept[node] = self.last_complete(config, node, &parts);
        }
        while let Some((node, last)) = self.orphan(&kept, &parts) {
            kept[node] = last;
            if config.has(Plant::NoClosure) {
                break;
            }
        }
        let used = self.nodes.iter().map(|node| node.epoch).max();
        let first_epoch = if config.has(Plant::NamesReused) {
            u8::MAX
        } else {
            used.expect("there are nodes") + 1
        };
        self.decisions.push(Decision { kept, first_epoch });
        for at in 0..self.history.len() {
            let stamp = self.history[at].stamp;
            // What was undone once stays so, whatever its name means now.
            if self.history[at].is_undone() || !self.is_undone(stamp.node, stamp.at) {
                continue;
            }
            self.history[at].undone_after = Some(self.crashes);
            if stamp.at.epoch <= self.stable {
                self.fail(Fault::StableUndone);
            }
        }
        self.phase = Phase::Applying;
    }

    /// The last interval of a dead node up to which everything is in the stores.
    fn last_complete(&self, config: &Config, node: usize, parts: &[Manifest]) -> Interval {
        let mut last = match config.has(Plant::StableIsJudged) {
            true => Interval::default(),
            false => Interval::end_of(self.stable),
        };
        let of_node = parts.iter().filter(|part| usize::from(part.node) == node);
        for part in of_node.filter(|part| !self.is_undone(part.node, part.last)) {
            let follows = part.previous.is_none_or(|previous| previous <= last);
            let is_next = follows || config.has(Plant::PartsWithoutPrevious);
            if !is_next || !part.frames.iter().all(|frame| self.is_stored(frame)) {
                break;
            }
            last = part.last;
        }
        last
    }

    /// Some kept interval with an edge to one that is not kept: its node, and what is before.
    fn orphan(&self, kept: &[Interval; NODES], parts: &[Manifest]) -> Option<(usize, Interval)> {
        let is_lost = |edges: &Edges| {
            let mut edges = edges.iter().zip(0..);
            edges.any(|(edge, to)| {
                edge.is_some_and(|at| at > kept[usize::from(to)] || self.is_undone(to, at))
            })
        };
        let before = |previous: Option<Interval>| {
            let stable = Interval::end_of(self.stable);
            previous.map_or(stable, |previous| previous.max(stable))
        };
        for node in self.alive() {
            let work = self.nodes[node].work.iter();
            let mut work = work.filter(|work| !self.is_undone(small(node), work.at));
            let orphan = work.find(|work| work.at <= kept[node] && is_lost(&work.edges));
            if let Some(work) = orphan {
                return Some((node, before(work.previous)));
            }
        }
        let mut parts = parts.iter();
        let orphan = parts.find(|part| {
            part.last <= kept[usize::from(part.node)]
                && part.last.epoch > self.stable
                && is_lost(&part.edges)
        });
        orphan.map(|part| (usize::from(part.node), before(part.previous)))
    }

    /// A survivor drops whatever is undone, and goes to the first epoch of the next view.
    pub(crate) fn apply(&mut self, config: &Config, me: usize) {
        let decisions = self.decisions.clone();
        let last = decisions.last().expect("one was just recorded");
        let is_undone = |node, at| decisions.iter().any(|decision| decision.undoes(node, at));
        let node = &mut self.nodes[me];
        let falls_back = node.work.iter().any(|work| is_undone(small(me), work.at));
        let keeps_pages = config.has(Plant::UndonePagesKept) && !falls_back;
        let gone = |version: &Version| is_undone(version.stamp.node, version.stamp.at);
        for copy in &mut node.cache {
            *copy = copy.filter(|version| keeps_pages || !gone(version));
        }
        if config.has(Plant::TrustedBeforeImages) && falls_back {
            for (page, version) in node.before.drain(..) {
                node.cache[usize::from(page)].get_or_insert(version);
            }
        }
        node.before.retain(|(_, version)| !gone(version));
        node.work.retain(|work| !is_undone(small(me), work.at));
        if config.has(Plant::NamesReused) {
            node.sub = node.work.last().map_or(0, |work| work.at.sub + 1);
        } else {
            (node.epoch, node.sub) = (last.first_epoch, 0);
        }
        node.applied = small(decisions.len());
    }

    /// A store deletes whatever is undone.
    pub(crate) fn purge(&mut self, config: &Config, disk: usize) {
        let decisions = self.decisions.clone();
        let is_undone = |node, at| decisions.iter().any(|decision| decision.undoes(node, at));
        let on_disk = &mut self.disks[disk];
        on_disk.applied = small(decisions.len());
        if config.has(Plant::StoresNotPurged) {
            return;
        }
        let frames = &mut on_disk.frames;
        frames.retain(|(_, version)| !is_undone(version.stamp.node, version.stamp.at));
        on_disk
            .manifests
            .retain(|part| !is_undone(part.node, part.last));
    }

    pub(crate) fn is_applied_everywhere(&self) -> bool {
        let count = small(self.decisions.len());
        let mut disks = self.disks_here();
        self.alive().all(|node| self.nodes[node].applied == count)
            && disks.all(|disk| self.disks[disk].applied == count)
    }

    /// Homes find out what each page is now: the highest version that is not undone.
    pub(crate) fn rebuild(&mut self, config: &Config) {
        let trusts = config.has(Plant::TrustedBeforeImages) || config.has(Plant::UndonePagesKept);
        for page in 0..PAGES {
            if config.has(Plant::MovedHomesOnly) && self.nodes[page].is_alive {
                continue;
            }
            let in_caches = self.alive().filter_map(|node| self.nodes[node].cache[page]);
            let newest = in_caches.max_by_key(|version| version.number);
            let is_valid =
                |version: &Version| trusts || !self.is_undone(version.stamp.node, version.stamp.at);
            let in_frames = self.alive().flat_map(|node| self.frames_of(node));
            let in_stores = self
                .disks_here()
                .flat_map(|disk| self.disks[disk].frames.clone());
            let kept = in_frames
                .chain(in_stores)
                .filter(|frame| usize::from(frame.0) == page);
            let kept = kept
                .map(|frame| frame.1)
                .filter(|version| !self.is_undone(version.stamp.node, version.stamp.at));
            let chosen = kept
                .chain(newest.filter(is_valid))
                .max_by_key(|version| version.number);
            self.restore(page, chosen.unwrap_or_default());
        }
        if !config.has(Plant::NotReplicated) {
            self.replicate();
        }
        self.phase = Phase::Working;
        if config.has(Plant::DecisionsForgotten) {
            self.decisions.clear();
            self.nodes.iter_mut().for_each(|node| node.applied = 0);
            self.disks.iter_mut().for_each(|disk| disk.applied = 0);
        }
    }

    fn frames_of(&self, node: usize) -> Vec<Frame> {
        let node = &self.nodes[node];
        let of_work = node.work.iter().flat_map(|work| work.frames.clone());
        of_work.chain(node.before.clone()).collect()
    }

    /// Makes this version the page's: whoever has it in memory owns it.
    fn restore(&mut self, page: usize, version: Version) {
        let has_cached = |node: &usize| self.nodes[*node].cache[page] == Some(version);
        let has_frame = |node: &usize| self.frames_of(*node).contains(&(small(page), version));
        let owner = self.alive().find(has_cached);
        let owner = owner.or_else(|| self.alive().find(has_frame));
        if let Some(owner) = owner {
            self.nodes[owner].cache[page] = Some(version);
        }
        self.owners[page] = owner.map(small);
        if version != self.current(small(page)) {
            self.fail(Fault::Nowhere);
        }
    }

    /// A disk that was away deletes what was undone meanwhile; only then it is a store.
    pub(crate) fn comes_back(&mut self, config: &Config, disk: usize) {
        self.purge(config, disk);
        self.disks[disk].place = Place::Here;
        self.replicate();
    }
}
