//! Transactions of the undo model: what they fetch, which edges they add, where intervals
//! are cut. Rules 1 to 4.
use crate::undo::config::{Config, End, NODES, PAGES, Plant, Txn};
use crate::undo::state::{Done, Edges, Fault, Frame, Interval, Stamp, State, Version, Work, small};

impl State {
    /// Runs a transaction from its beginning to its end.
    pub(crate) fn run(&mut self, config: &Config, number: usize) {
        let txn = config.txns[number];
        let me = usize::from(txn.node);
        self.has_run |= 1 << number;
        for &page in txn.reads.iter().chain(txn.writes) {
            self.fetch(me, usize::from(page));
        }
        for &page in txn.writes {
            self.take(config, me, usize::from(page));
        }
        if self.fault.is_none() && txn.end == End::Commits {
            self.commit(config, me, &txn);
        }
    }

    /// Brings a page into the node's cache, and the epoch of whoever sends it.
    fn fetch(&mut self, me: usize, page: usize) {
        if self.nodes[me].cache[page].is_none() {
            let version = match self.owners[page] {
                Some(owner) => {
                    let owner = usize::from(owner);
                    self.advance(me, self.nodes[owner].epoch);
                    let copy = self.nodes[owner].cache[page];
                    copy.filter(|_| self.nodes[owner].is_alive)
                }
                None => Some(self.newest_stored(page)),
            };
            let Some(version) = version else {
                return self.fail(Fault::Nowhere);
            };
            self.advance(me, version.stamp.at.epoch);
            self.nodes[me].cache[page] = Some(version);
        }
        if self.nodes[me].cache[page] != Some(self.current(small(page))) {
            self.fail(Fault::Served);
        }
    }

    fn newest_stored(&self, page: usize) -> Version {
        let disks = self.disks_here();
        let frames = disks.flat_map(|disk| &self.disks[disk].frames);
        let of_page = frames.filter(|frame| usize::from(frame.0) == page);
        let versions = of_page.map(|frame| frame.1);
        versions
            .max_by_key(|version| version.number)
            .unwrap_or_default()
    }

    /// Makes the node the only holder; the others' acknowledgements bring their epochs.
    fn take(&mut self, config: &Config, me: usize, page: usize) {
        for other in (0..NODES).filter(|&other| other != me) {
            if !self.nodes[other].is_alive || self.nodes[other].cache[page].is_none() {
                continue;
            }
            self.nodes[other].cache[page] = None;
            self.advance(me, self.nodes[other].epoch);
            if config.has(Plant::NotKeptAtHandOver) {
                for work in &mut self.nodes[other].work {
                    work.frames.retain(|frame| usize::from(frame.0) != page);
                }
            }
        }
        self.owners[page] = Some(small(me));
    }

    fn commit(&mut self, config: &Config, me: usize, txn: &Txn) {
        let cached = |page: &u8| {
            let version = self.nodes[me].cache[usize::from(*page)];
            (*page, version.expect("just fetched"))
        };
        let used: Vec<Frame> = txn.reads.iter().chain(txn.writes).map(cached).collect();
        let edges = self.edges_to(me, &used);
        self.open_interval(config, me, &edges);
        let writer = small(self.history.len() + 1);
        let node = &mut self.nodes[me];
        let work = node.work.last_mut().expect("just opened");
        let stamp = Stamp {
            node: small(me),
            at: work.at,
        };
        let mut wrote = Vec::new();
        for &page in txn.writes {
            let slot = &mut node.cache[usize::from(page)];
            let old = slot.expect("just fetched");
            if old.stamp.node != stamp.node || old.number == 0 {
                node.before.retain(|frame| frame.0 != page);
                node.before.push((page, old));
            }
            let version = Version {
                number: old.number + 1,
                stamp,
                writer,
            };
            *slot = Some(version);
            work.frames.retain(|frame| frame.0 != page);
            work.frames.push((page, version));
            wrote.push((page, version));
        }
        self.history.push(Done {
            stamp,
            used,
            wrote,
            undone_after: None,
        });
    }

    /// Edges come from what a transaction has used, when it commits.
    fn edges_to(&self, me: usize, used: &[Frame]) -> Edges {
        let mut edges: Edges = [None; NODES];
        for (_, version) in used.iter().filter(|(_, version)| version.number > 0) {
            let Stamp { node, at } = version.stamp;
            if usize::from(node) != me && at.epoch > self.stable {
                let edge = &mut edges[usize::from(node)];
                *edge = (*edge).max(Some(at));
            }
        }
        edges
    }

    /// The interval in which the node commits: the open one, unless that would get an edge
    /// that its earlier transactions do not need.
    fn open_interval(&mut self, config: &Config, me: usize, edges: &Edges) {
        let node = &mut self.nodes[me];
        let now = |sub| Interval {
            epoch: node.epoch,
            sub,
        };
        let open = node.work.last_mut().filter(|work| work.at == now(node.sub));
        if let Some(work) = open {
            let is_new = (0..NODES).any(|other| edges[other] > work.edges[other]);
            if !is_new || config.has(Plant::NoCut) {
                for (own, edge) in work.edges.iter_mut().zip(edges) {
                    *own = (*own).max(*edge);
                }
                return;
            }
            node.sub += 1;
        }
        let previous = node.work.last().map(|work| work.at);
        node.work.push(Work {
            at: Interval {
                epoch: node.epoch,
                sub: node.sub,
            },
            previous,
            edges: *edges,
            frames: Vec::new(),
        });
    }

    pub(crate) fn advance(&mut self, me: usize, epoch: u8) {
        let node = &mut self.nodes[me];
        if epoch > node.epoch {
            (node.epoch, node.sub) = (epoch, 0);
        }
    }

    /// Whether the page of a live owner, or of the stores, is the current one.
    pub(crate) fn is_served(&self, page: usize) -> bool {
        let version = match self.owners[page].map(usize::from) {
            Some(owner) if self.nodes[owner].is_alive => self.nodes[owner].cache[page],
            Some(_) => None,
            None => Some(self.newest_stored(page)),
        };
        version == Some(self.current(small(page)))
    }

    /// Every copy is the current version.
    pub(crate) fn copies_are_current(&self) -> bool {
        let pages = |node: usize| (0..PAGES).map(move |page| (node, page));
        self.alive().flat_map(pages).all(|(node, page)| {
            let copy = self.nodes[node].cache[page];
            copy.is_none_or(|copy| copy == self.current(small(page)))
        })
    }
}
