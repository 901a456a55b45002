//! In which order the elements of each list came, as far as anybody has seen.
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::{Answer, Element, List, Operation, OperationId, Violation};
use crate::Moment;

/// All lists of a history.
#[derive(Debug)]
pub(super) struct Orders<'history> {
    pub(super) operations: &'history [Operation],
    /// Who appends an element.
    appenders: BTreeMap<(List, Element), OperationId>,
    pub(super) lists: BTreeMap<List, Order>,
}

/// A list.
#[derive(Default, Debug)]
pub(super) struct Order {
    /// Its elements, as whoever knows most of them knows them.
    pub(super) elements: Vec<Element>,
    pub(super) sights: Vec<Sight>,
}

/// What an operation tells about a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Sight {
    pub(super) operation: OperationId,
    /// Its elements up to the operation's own.
    pub(super) elements: Vec<Element>,
    /// How many were there before.
    pub(super) read: usize,
}

impl<'history> Orders<'history> {
    /// Puts together what each operation has seen.
    pub(super) fn new(operations: &'history [Operation]) -> Result<Self, Violation> {
        let mut orders = Self {
            operations,
            appenders: appenders(operations)?,
            lists: BTreeMap::new(),
        };
        for (id, operation) in (0..).map(OperationId).zip(operations) {
            let Answer::Given { at, reads } = &operation.answer else {
                continue;
            };
            for (list, read) in reads {
                orders.check_appended(id, *at, *list, read)?;
                let own = operation.appends.iter().filter(|(to, _)| to == list);
                let sight = Sight {
                    operation: id,
                    elements: read.iter().copied().chain(own.map(|own| own.1)).collect(),
                    read: read.len(),
                };
                check_once(*list, &sight)?;
                orders.lists.entry(*list).or_default().sights.push(sight);
            }
        }
        for (list, order) in &mut orders.lists {
            order.settle(*list)?;
        }
        Ok(orders)
    }

    /// Who appended an element that somebody has seen.
    pub(super) fn appender(&self, list: List, element: Element) -> OperationId {
        self.appenders[&(list, element)]
    }

    pub(super) fn operation(&self, id: OperationId) -> &'history Operation {
        &self.operations[id.0]
    }

    /// What is read was asked for before its reader had the answer, and not refused.
    fn check_appended(
        &self,
        reader: OperationId,
        at: Moment,
        list: List,
        read: &[Element],
    ) -> Result<(), Violation> {
        let is_known = |element: &Element| {
            let appender = self.appenders.get(&(list, *element));
            appender.is_some_and(|&id| {
                let operation = self.operation(id);
                operation.begin < at && operation.answer != Answer::Refused
            })
        };
        match read.iter().find(|element| !is_known(element)) {
            None => Ok(()),
            Some(&element) => Err(Violation::Invented {
                reader,
                list,
                element,
            }),
        }
    }

    /// Whoever asks after an append was acknowledged sees its element. The order that
    /// is looked for demands that, too; this says it more plainly.
    pub(super) fn check_recency(&self) -> Result<(), Violation> {
        for (&list, order) in &self.lists {
            let acknowledged = self.acknowledged(list, order);
            for sight in &order.sights {
                let begin = self.operation(sight.operation).begin;
                let before = acknowledged.partition_point(|&(at, _)| at < begin);
                let Some(&(_, length)) = before.checked_sub(1).map(|last| &acknowledged[last])
                else {
                    continue;
                };
                if sight.read < length {
                    let element = order.elements[length - 1];
                    let writer = self.appender(list, element);
                    return Err(order.missed(list, element, [writer, sight.operation]));
                }
            }
        }
        Ok(())
    }

    /// When it was acknowledged that the list has at least this length, in order of time.
    fn acknowledged(&self, list: List, order: &Order) -> Vec<(Moment, usize)> {
        let ends = order
            .elements
            .iter()
            .zip(1..)
            .filter_map(|(&element, end)| {
                let at = self.operation(self.appender(list, element)).end()?;
                Some((at, end))
            });
        let mut acknowledged: Vec<(Moment, usize)> = ends.collect();
        acknowledged.sort_unstable();
        let mut length = 0;
        for entry in &mut acknowledged {
            length = length.max(entry.1);
            entry.1 = length;
        }
        acknowledged
    }
}

impl Order {
    /// The longest sight is the order; all others must be its beginnings.
    fn settle(&mut self, list: List) -> Result<(), Violation> {
        let longest = self.sights.iter().max_by_key(|sight| sight.elements.len());
        let Some(longest) = longest.cloned() else {
            return Ok(());
        };
        for sight in &self.sights {
            let mut pairs = sight.elements.iter().zip(&longest.elements);
            let Some(place) = pairs.position(|(a, b)| a != b) else {
                continue;
            };
            if place == sight.read && !self.is_seen_by_others(sight.elements[place], sight) {
                let pair = [sight.operation, longest.operation];
                return Err(self.missed(list, sight.elements[place], pair));
            }
            return Err(Violation::Fork {
                list,
                readers: [sight.operation, longest.operation],
                elements: [sight.elements[place], longest.elements[place]],
            });
        }
        self.elements = longest.elements;
        Ok(())
    }

    fn is_seen_by_others(&self, element: Element, own: &Sight) -> bool {
        let mut others = self.sights.iter().filter(|sight| *sight != own);
        others.any(|sight| sight.elements.contains(&element))
    }

    /// An element was not seen by who should have: is it lost, or did he see the past?
    fn missed(&self, list: List, element: Element, pair: [OperationId; 2]) -> Violation {
        let [writer, reader] = pair;
        let mut others = self.sights.iter().filter(|sight| sight.operation != writer);
        if others.any(|sight| sight.elements.contains(&element)) {
            Violation::Stale {
                list,
                element,
                writer,
                reader,
            }
        } else {
            Violation::Lost {
                list,
                element,
                writer,
                reader,
            }
        }
    }
}

/// Who appends which element; nobody another's.
fn appenders(
    operations: &[Operation],
) -> Result<BTreeMap<(List, Element), OperationId>, Violation> {
    let mut appenders = BTreeMap::new();
    for (id, operation) in (0..).map(OperationId).zip(operations) {
        for &(list, element) in &operation.appends {
            if let Some(other) = appenders.insert((list, element), id) {
                return Err(Violation::Reused {
                    list,
                    element,
                    writers: [other, id],
                });
            }
        }
    }
    Ok(appenders)
}

fn check_once(list: List, sight: &Sight) -> Result<(), Violation> {
    let mut seen = BTreeSet::new();
    match sight
        .elements
        .iter()
        .find(|element| !seen.insert(**element))
    {
        None => Ok(()),
        Some(&element) => Err(Violation::Twice {
            reader: sight.operation,
            list,
            element,
        }),
    }
}
