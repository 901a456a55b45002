//! The parts of the machine, by their drivers.
use adapter::part::take_line;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use services::Session;

use crate::{LOST, NEWS, Place};

/// Those that were asked for so far.
#[derive(Debug, Default)]
pub(crate) struct Parts(Vec<Part>);

#[derive(Debug)]
struct Part {
    device: &'static str,
    session: Session,
    /// Who waits for an answer, in the order of the questions.
    waiting: VecDeque<Place>,
}

impl Parts {
    /// Says a line to a part's driver; whether there is one.
    pub(crate) fn say(&mut self, device: &'static str, line: &str, place: Place) -> bool {
        let known = self.0.iter().position(|part| part.device == device);
        let index = known.unwrap_or_else(|| {
            self.0.push(Part {
                device,
                session: Session::new(device, NEWS),
                waiting: VecDeque::new(),
            });
            self.0.len() - 1
        });
        let part = &mut self.0[index];
        part.session.connect();
        if part.session.is_connected() {
            part.session.say().extend(line.bytes().chain([b'\n']));
            part.waiting.push_back(place);
        }
        part.session.is_connected()
    }

    /// An answer, and whose it is.
    pub(crate) fn hear(&mut self) -> Option<(Place, String)> {
        self.0.iter_mut().find_map(|part| {
            let line = take_line(part.session.exchange()).expect("drivers say lines");
            let answer = match line {
                Some(line) => format!("{}\n", line.strip_prefix("is ").unwrap_or(&line)),
                None if part.session.is_connected() => return None,
                None => LOST.into(),
            };
            part.waiting.pop_front().map(|place| (place, answer))
        })
    }
}
