<<<<<<< HEAD
mod load;
=======
//! One binary; one file for each feature.

mod journal;
>>>>>>> 6b9ef83 (The journal: chained lines on disk before the act, and the fold that reads them)
