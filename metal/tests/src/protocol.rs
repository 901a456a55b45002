//! The memory's protocol on this machine, without anything of it.
use hal::say;

use crate::Machine;

pub(crate) fn scenarios(_: &mut Machine) {
    for (name, scenario) in scenarios::ALL {
        say!("{name}");
        scenario();
    }
    assert!(!scenarios::ALL.is_empty(), "there are some");
}
