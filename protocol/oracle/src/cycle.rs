//! Cycles in a graph: something must come before itself.
use alloc::vec;
use alloc::vec::Vec;

/// Vertices of a cycle in order, if there is one: whatever is left when vertices
/// without predecessors are taken away again and again contains one.
pub(crate) fn find(successors: &[Vec<usize>]) -> Option<Vec<usize>> {
    let mut predecessors = vec![0_usize; successors.len()];
    successors
        .iter()
        .flatten()
        .for_each(|&to| predecessors[to] += 1);
    let mut free: Vec<usize> = (0..predecessors.len())
        .filter(|&vertex| predecessors[vertex] == 0)
        .collect();
    let mut taken = vec![false; predecessors.len()];
    while let Some(vertex) = free.pop() {
        taken[vertex] = true;
        for &to in &successors[vertex] {
            predecessors[to] -= 1;
            if predecessors[to] == 0 {
                free.push(to);
            }
        }
    }
    let start = taken.iter().position(|&taken| !taken)?;
    Some(walk_back(successors, start, &taken))
}

/// Every vertex that is left has a predecessor that is left: going back from any
/// of them leads into a cycle.
fn walk_back(successors: &[Vec<usize>], start: usize, taken: &[bool]) -> Vec<usize> {
    let mut path = vec![start];
    loop {
        let here = path[path.len() - 1];
        let before = (0..taken.len())
            .find(|&from| !taken[from] && successors[from].contains(&here))
            .expect("what is left has predecessors that are left");
        if let Some(position) = path.iter().position(|&vertex| vertex == before) {
            let mut cycle = path.split_off(position);
            cycle.reverse();
            return cycle;
        }
        path.push(before);
    }
}
