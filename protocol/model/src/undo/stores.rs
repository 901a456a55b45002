//! Stores of the undo model: parts, stability, what may be deleted. Rules 5 to 7, and 8.8.
use crate::undo::config::{COPIES, Config, NODES, PAGES, Plant};
use crate::undo::state::{Frame, Interval, Manifest, State, small};

impl State {
    /// The disks that keep a page, or the manifests of a node, as of now.
    fn placement(&self, of: usize) -> Vec<usize> {
        let disks = (of..of + NODES).map(|at| at % NODES);
        let here: Vec<usize> = self.disks_here().collect();
        disks
            .filter(|disk| here.contains(disk))
            .take(COPIES)
            .collect()
    }

    /// What a node sends to its stores of an epoch that it has left. Epochs in which
    /// something committed have a manifest, also if nothing was written.
    pub(crate) fn part(&self, node: usize, epoch: u8) -> Option<Manifest> {
        let work = &self.nodes[node].work;
        let mut of_epoch = work.iter().filter(|work| work.at.epoch == epoch);
        let first = of_epoch.next()?;
        let mut part = Manifest {
            node: small(node),
            last: first.at,
            previous: first.previous,
            edges: first.edges,
            frames: first.frames.clone(),
        };
        for work in of_epoch {
            part.last = work.at;
            for (own, edge) in part.edges.iter_mut().zip(work.edges) {
                *own = (*own).max(edge);
            }
            for frame in &work.frames {
                part.frames.retain(|(page, _)| *page != frame.0);
                part.frames.push(*frame);
            }
        }
        part.frames.sort_unstable_by_key(|frame| frame.0);
        Some(part)
    }

    /// What of a part belongs on this disk and is not there: frames, and the manifest.
    fn missing(&self, part: &Manifest, disk: usize) -> (Vec<Frame>, bool) {
        let on_disk = &self.disks[disk];
        let belongs = |page: u8| self.placement(usize::from(page)).contains(&disk);
        let frames = part.frames.iter().copied();
        let frames = frames.filter(|frame| belongs(frame.0) && !on_disk.frames.contains(frame));
        let is_keeper = self.placement(usize::from(part.node)).contains(&disk);
        let lacks = is_keeper && !on_disk.manifests.contains(part);
        (frames.collect(), lacks)
    }

    fn is_on(&self, part: &Manifest, disk: usize) -> bool {
        let (frames, lacks_manifest) = self.missing(part, disk);
        frames.is_empty() && !lacks_manifest
    }

    /// Whether a message with (the rest of) this part can reach this disk.
    pub(crate) fn can_store(&self, node: usize, epoch: u8, disk: usize) -> bool {
        let has_left = self.nodes[node].epoch > epoch && epoch > self.stable;
        let part = self.part(node, epoch).filter(|_| has_left);
        part.is_some_and(|part| !self.is_on(&part, disk))
    }

    pub(crate) fn store(&mut self, node: usize, epoch: u8, disk: usize) {
        let part = self.part(node, epoch).expect("only parts are stored");
        self.keep(&part, disk);
    }

    fn keep(&mut self, part: &Manifest, disk: usize) {
        let (mut frames, lacks_manifest) = self.missing(part, disk);
        let is_alive = self.nodes[usize::from(part.node)].is_alive;
        frames.retain(|frame| is_alive || self.is_stored(frame));
        let on_disk = &mut self.disks[disk];
        on_disk.frames.extend(frames);
        on_disk
            .frames
            .sort_unstable_by_key(|frame| (frame.0, frame.1.number));
        if lacks_manifest {
            on_disk.manifests.push(part.clone());
            on_disk
                .manifests
                .sort_unstable_by_key(|part| (part.node, part.last));
        }
    }

    /// Whether the next epoch may be recorded as stable.
    pub(crate) fn can_be_stable(&self, config: &Config) -> bool {
        let epoch = self.stable + 1;
        let is_everywhere = |part: &Manifest| {
            let is_on = |disk| self.is_on(part, disk);
            if config.has(Plant::OneCopyIsStable) {
                return part.frames.iter().all(|frame| self.is_stored(frame));
            }
            self.disks_here().all(is_on)
        };
        let is_left = self.alive().all(|node| self.nodes[node].epoch > epoch);
        let mut parts = self.alive().filter_map(|node| self.part(node, epoch));
        let of_dead = self.kept_of_dead();
        let counts = |part: &Manifest| part.last.epoch == epoch && self.is_valid(part);
        let mut of_dead = of_dead.iter().filter(|part| counts(part));
        is_left
            && parts.all(|part| !self.is_valid(&part) || is_everywhere(&part))
            && of_dead.all(is_everywhere)
    }

    /// Records the next epoch as stable; stores keep the newest stable version of a page,
    /// and all later ones.
    pub(crate) fn set_stable(&mut self) {
        self.stable += 1;
        let stable = self.stable;
        for disk in self.disks_here().collect::<Vec<_>>() {
            let on_disk = &mut self.disks[disk];
            for page in 0..small(PAGES) {
                let is_old = |frame: &Frame| frame.0 == page && frame.1.stamp.at.epoch <= stable;
                let stable_ones = on_disk.frames.iter().filter(|frame| is_old(frame));
                let newest = stable_ones.map(|frame| frame.1.number).max();
                let frames = &mut on_disk.frames;
                frames.retain(|frame| !is_old(frame) || Some(frame.1.number) == newest);
            }
            on_disk.manifests.retain(|part| part.last.epoch > stable);
        }
        for node in &mut self.nodes {
            node.work.retain(|work| work.at.epoch > stable);
            node.before.clear();
        }
    }

    /// Manifests of nodes that are dead, in order, each once; those of stable epochs, which
    /// a disk that was away may bring back, say nothing any more.
    pub(crate) fn kept_of_dead(&self) -> Vec<Manifest> {
        let disks = self.disks_here();
        let all = disks.flat_map(|disk| &self.disks[disk].manifests);
        let unstable = all.filter(|part| part.last.epoch > self.stable);
        let of_dead = unstable.filter(|part| !self.nodes[usize::from(part.node)].is_alive);
        let mut parts: Vec<Manifest> = of_dead.cloned().collect();
        parts.sort_unstable_by_key(|part| (part.node, part.last));
        parts.dedup();
        parts
    }

    /// Whether some disk has the frame.
    pub(crate) fn is_stored(&self, frame: &Frame) -> bool {
        let mut disks = self.disks_here();
        disks.any(|disk| self.disks[disk].frames.contains(frame))
    }

    /// Copies what the placement wants elsewhere now: stable versions, and what is kept of
    /// nodes that are dead.
    pub(crate) fn replicate(&mut self) {
        let disks = self.disks_here();
        let frames = disks.flat_map(|disk| self.disks[disk].frames.clone());
        let stable = self.stable;
        let is_stable = |frame: &Frame| frame.1.stamp.at.epoch <= stable;
        let mut newest: [Option<Frame>; PAGES] = [None; PAGES];
        for frame in frames.filter(is_stable) {
            let best = &mut newest[usize::from(frame.0)];
            if best.is_none_or(|best| best.1.number < frame.1.number) {
                *best = Some(frame);
            }
        }
        let parts = self.kept_of_dead();
        for disk in self.disks_here().collect::<Vec<_>>() {
            for frame in newest.into_iter().flatten() {
                let belongs = self.placement(usize::from(frame.0)).contains(&disk);
                let frames = &mut self.disks[disk].frames;
                if belongs && !frames.contains(&frame) {
                    frames.push(frame);
                    frames.sort_unstable_by_key(|frame| (frame.0, frame.1.number));
                }
            }
            for part in &parts {
                self.keep(part, disk);
            }
        }
    }

    fn is_valid(&self, part: &Manifest) -> bool {
        !self.is_undone(part.node, part.last)
    }

    /// Whether some decision has undone this work.
    pub(crate) fn is_undone(&self, node: u8, at: Interval) -> bool {
        let mut decisions = self.decisions.iter();
        decisions.any(|decision| decision.undoes(node, at))
    }
}
