//! The hash trees of submissions, as warrants need them: made from the stored digests, the last few kept.

use std::rc::Rc;

use spool::store::{Description, Reader, SpoolError};
use wire::identity::{HashTree, Warrant};

use super::Store;

/// The trees that were needed last.
#[derive(Default)]
pub struct Trees {
    known: Vec<(i64, Rc<HashTree>)>,
}

impl Trees {
    /// The owner's word for a stored job.
    ///
    /// # Errors
    /// The spool cannot be read, or holds a submission that does not fit its jobs.
    pub fn warrant(&mut self, store: &Store, description: &Description) -> Result<Warrant, SpoolError> {
        let damaged = || SpoolError::Failed("a submission does not fit its jobs".to_owned());
        let signature = description.signature.as_slice().try_into().map_err(|_| damaged())?;
        let path = if description.count <= 1 {
            Vec::new()
        } else {
            let tree = self.tree(store, description.submission)?.ok_or_else(damaged)?;
            tree.path(description.number)
        };
        Ok(Warrant { root: description.root, path, signature, certificate: Some(description.certificate.clone()) })
    }

    fn tree(&mut self, store: &Store, submission: i64) -> Result<Option<Rc<HashTree>>, SpoolError> {
        if let Some(at) = self.known.iter().position(|(known, _)| *known == submission) {
            let found = self.known.remove(at);
            self.known.push(found);
        } else {
            let digests = store.ask(|reader| reader.digests(submission))?;
            let Some(tree) = HashTree::over(&digests) else { return Ok(None) };
            if self.known.len() == MOST_KEPT {
                self.known.remove(0);
            }
            self.known.push((submission, Rc::new(tree)));
        }
        Ok(self.known.last().map(|(_, tree)| tree.clone()))
    }
}

/// A tree of 100,000 jobs has 6.4 MB.
const MOST_KEPT: usize = 3;
