//! The invariant that no single node can check: within a view, a page has at most one
//! owner, and who may write it without asking is alone with it.
use dtm::PageState;
use types::PageId;

use crate::node::Node;

/// Checks one page over all nodes that are in the view of `at`.
///
/// # Errors
/// Who holds what.
pub(crate) fn check<'node>(
    nodes: impl Iterator<Item = &'node Node>,
    at: &Node,
    page: PageId,
) -> Result<(), String> {
    let same_view = nodes.filter(|node| node.view() == at.view());
    let holders: Vec<(&Node, PageState)> = same_view
        .map(|node| (node, node.dtm.page(page).state))
        .filter(|&(_, state)| state != PageState::Invalid)
        .collect();
    let count = |wanted: PageState| {
        holders
            .iter()
            .filter(|&&(_, state)| state == wanted)
            .count()
    };
    let modified = count(PageState::Modified);
    if modified + count(PageState::Owned) <= 1 && (modified == 0 || holders.len() == 1) {
        return Ok(());
    }
    let list: Vec<String> = holders
        .iter()
        .map(|(node, state)| format!("{} {state:?}", node.id))
        .collect();
    Err(format!("{page} is held by {}", list.join(", ")))
}
