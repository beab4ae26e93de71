//! A tree of SHA-256 hashes: one hash, the root, stands for any number of leaves, and a short path shows that a leaf is
//! one of them.
//!
//! ```text
//! leaf = SHA-256(0x00 || digest)     node = SHA-256(0x01 || left || right)
//! ```
//!
//! A node without a neighbour is promoted to the next level as it is. The different first bytes keep anybody from
//! showing a node as if it were a leaf. The number of leaves is not part of the root: nothing depends on it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::encoding::base64_array;

/// One step from a leaf to the root: the hash of the neighbour, and on which side it stands.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// The neighbour stands left of us.
    Left(#[serde(with = "base64_array")] [u8; 32]),
    /// The neighbour stands right of us.
    Right(#[serde(with = "base64_array")] [u8; 32]),
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Left(hash) => write!(f, "Left({})", STANDARD.encode(hash)),
            Self::Right(hash) => write!(f, "Right({})", STANDARD.encode(hash)),
        }
    }
}

/// All levels of a tree, the leaves first, the root last.
pub struct HashTree {
    levels: Vec<Vec<[u8; 32]>>,
}

impl HashTree {
    /// The tree over these digests; `None` when there are none.
    pub fn over(digests: &[[u8; 32]]) -> Option<Self> {
        let mut level: Vec<_> = digests.iter().map(leaf).collect();
        let mut levels = Vec::new();
        while level.len() > 1 {
            let above = level.chunks(2).map(|pair| match pair {
                [left, right] => node(left, right),
                alone => alone[0],
            });
            let above = above.collect();
            levels.push(std::mem::replace(&mut level, above));
        }
        let root = level.pop()?;
        levels.push(vec![root]);
        Some(Self { levels })
    }

    /// The hash that stands for all of them.
    pub fn root(&self) -> [u8; 32] {
        self.levels[self.levels.len() - 1][0]
    }

    /// From the leaf with this index to the root.
    pub fn path(&self, mut index: usize) -> Vec<Step> {
        let mut path = Vec::with_capacity(self.levels.len() - 1);
        for level in &self.levels {
            if index % 2 == 1 {
                path.push(Step::Left(level[index - 1]));
            } else if let Some(right) = level.get(index + 1) {
                path.push(Step::Right(*right));
            }
            index /= 2;
        }
        path
    }
}

/// The root of the tree in which this digest has this path.
pub(super) fn root_of(digest: &[u8; 32], path: &[Step]) -> [u8; 32] {
    path.iter().fold(leaf(digest), |below, step| match step {
        Step::Left(left) => node(left, &below),
        Step::Right(right) => node(&below, right),
    })
}

fn leaf(digest: &[u8; 32]) -> [u8; 32] {
    hash(&[&[0], digest])
}

fn node(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    hash(&[&[1], left, right])
}

fn hash(pieces: &[&[u8]]) -> [u8; 32] {
    let mut hash = Context::new(&SHA256);
    for piece in pieces {
        hash.update(piece);
    }
    hash.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Digests that are all different.
    fn digests(count: usize) -> Vec<[u8; 32]> {
        (0..count).map(|number| hash(&[&number.to_be_bytes()])).collect()
    }

    #[test]
    fn every_leaf_of_every_small_tree_has_a_path() {
        for count in 1..=130 {
            let digests = digests(count);
            let tree = HashTree::over(&digests).expect("not empty");
            for (index, digest) in digests.iter().enumerate() {
                let path = tree.path(index);
                assert_eq!(root_of(digest, &path), tree.root(), "leaf {index} of {count}");
                assert!(path.len() <= count.next_power_of_two().ilog2() as usize);
            }
        }
    }

    #[test]
    fn a_million_leaves_have_paths_of_twenty() {
        let digests = digests(1_000_000);
        let tree = HashTree::over(&digests).expect("not empty");
        for index in [0, 1, 499_999, 999_998, 999_999] {
            let path = tree.path(index);
            assert!(path.len() <= 20, "{} steps", path.len());
            assert_eq!(root_of(&digests[index], &path), tree.root());
        }
    }

    #[test]
    fn the_form_of_the_tree_stays() {
        let [a, b, c] = [[1; 32], [2; 32], [3; 32]];
        let tree = HashTree::over(&[a, b, c]).expect("not empty");
        assert_eq!(tree.root(), node(&node(&leaf(&a), &leaf(&b)), &leaf(&c)));
        assert_eq!(tree.path(0), [Step::Right(leaf(&b)), Step::Right(leaf(&c))]);
        assert_eq!(tree.path(2), [Step::Left(node(&leaf(&a), &leaf(&b)))]);
        assert_eq!(HashTree::over(&[a]).expect("not empty").root(), leaf(&a));
    }

    #[test]
    fn no_leaves_no_tree() {
        assert!(HashTree::over(&[]).is_none());
    }

    #[test]
    fn a_node_cannot_be_shown_as_a_leaf() {
        let tree = HashTree::over(&digests(4)).expect("not empty");
        let node = tree.levels[1][0];
        assert_ne!(root_of(&node, &tree.path(0)[1..]), tree.root());
    }
}
