//! Parts of the machine that are set and asked as a whole, but for its network (`tcp.rs`).
use alloc::format;
use alloc::string::String;

use adapter::part::{Cache, Clock, Disk, Power, Setting, State};
use hal::virtio::{DEPTH_MAX, WriteCache};
use hal::{cpu, rtc, say};
use platform::{Clock as _, Settable};

use crate::MetalClock;
use crate::disk::Device;

/// What whoever runs the machine is told when it was ordered to switch itself off.
const SWITCHED_OFF: u8 = 4;

const _: () = assert!(
    DEPTH_MAX == adapter::part::DEPTH_MAX as usize,
    "drivers may ask for what the queue has room for"
);

/// The clock with the battery.
#[derive(Debug)]
pub(crate) struct OwnClock;

impl OwnClock {
    /// It, if there is one.
    pub(crate) fn find() -> Option<Self> {
        rtc::seconds().map(|_| Self)
    }
}

impl Settable<Clock> for OwnClock {
    fn set(&mut self, settings: &Clock) -> Result<(), String> {
        let is_right = settings.setting == Setting::AtLeast
            && rtc::seconds().is_some_and(|seconds| seconds >= settings.seconds);
        if !is_right {
            rtc::set(settings.seconds);
            hal::clock::set_wall(settings.seconds);
            say!("the clock is set to {settings}");
        }
        Ok(())
    }

    fn ask(&mut self) -> Clock {
        let wall_seconds = MetalClock.wall_ns() / 1_000_000_000;
        Clock {
            seconds: rtc::seconds().unwrap_or(wall_seconds),
            setting: Setting::Exactly,
        }
    }
}

/// The machine's switch.
#[derive(Debug)]
pub(crate) struct OwnPower {
    /// The number of this start.
    pub(crate) start: u64,
}

impl Settable<Power> for OwnPower {
    fn set(&mut self, settings: &Power) -> Result<(), String> {
        if settings.start == self.start {
            match settings.state {
                State::On => {}
                State::Off => {
                    say!("switched off, as was ordered");
                    cpu::power_off(SWITCHED_OFF);
                }
                State::Reset => {
                    say!("begins again, as was ordered");
                    cpu::reset();
                }
            }
        }
        Ok(())
    }

    fn ask(&mut self) -> Power {
        Power {
            state: State::On,
            start: self.start,
        }
    }
}

impl Settable<Disk> for Device {
    fn set(&mut self, settings: &Disk) -> Result<(), String> {
        let wanted = match settings.cache {
            Cache::Back => WriteCache::Back,
            Cache::Through => WriteCache::Through,
        };
        self.with_block(|block| {
            if block.cache() != wanted {
                block.set_cache(wanted);
            }
            if block.cache() != wanted {
                return Err(format!(
                    "this disk cannot do otherwise than {:?}",
                    block.cache()
                ));
            }
            block.set_depth(settings.depth.into());
            Ok(())
        })
    }

    fn ask(&mut self) -> Disk {
        self.with_block(|block| Disk {
            cache: match block.cache() {
                WriteCache::Back => Cache::Back,
                WriteCache::Through => Cache::Through,
            },
            depth: u16::try_from(block.depth()).expect("a short queue"),
        })
    }
}
