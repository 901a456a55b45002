//! What a far copy has: manifests and packs. The input is one or the other.
use archive::manifest::Manifest;
use archive::pack::{self, PackWriter};
use types::{Epoch, Interval, NodeId, PAGE_SIZE, PageId, Stamp, Version};
use wire::{Image, PageVersion};

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "far",
    seeds,
    check,
};

fn check(bytes: &[u8]) {
    if let Ok(manifest) = Manifest::decode(bytes) {
        assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest.clone()));
        // Whatever it says, it can be asked.
        let _ = (manifest.pages(), manifest.last_node());
    }
    let Ok(frames) = pack::decode(bytes) else {
        return;
    };
    let mut writer = PackWriter::default();
    for (page, content) in &frames {
        writer.put(*page, content);
    }
    assert_eq!(pack::decode(&writer.finish()), Ok(frames));
}

fn seeds() -> Vec<Vec<u8>> {
    let stamp = Stamp {
        node: NodeId(3),
        interval: Interval {
            epoch: Epoch(7),
            sub: 1,
        },
    };
    let mut sparse = [0; PAGE_SIZE];
    sparse[100] = 5;
    let images = [
        Image::ZERO,
        Image::of(&[0xaa; PAGE_SIZE]),
        Image::of(&sparse),
    ];
    let mut packs = vec![PackWriter::default().finish()];
    let mut writer = PackWriter::default();
    for (index, image) in (0..).zip(images) {
        let version = Version(9);
        let content = PageVersion {
            version,
            stamp,
            image,
        };
        writer.put(PageId::new(300, index), &content);
    }
    packs.push(writer.finish());
    let manifest = Manifest {
        cluster: 7,
        epoch: Epoch(7),
        wall_ms: 1_700_000_000_000,
        names: vec!["before".into()],
        packs: vec![],
    };
    packs.push(manifest.encode());
    packs
}
