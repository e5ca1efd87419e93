#pragma once
// Brings finished blocks to the host and to the disk, in a thread, beside the chains of the next block. One at a time,
// in their order.
#include <future>

#include "ddls/sample_store.hpp"

namespace ddls::sampling {

class BlockWriter {
 public:
  explicit BlockWriter(SampleStore& store) : store_(store) {}  // must outlive it
  // Tensors of `result` may be a GPU's. Waits for the block before, and throws what its writing threw.
  void write(const Block& block, BlockResult result);
  void check();   // throws what the writing under way has thrown by now; does not wait
  void finish();  // waits: every block that was given is on the disk, or this throws

 private:
  SampleStore& store_;
  std::future<void> under_way_;  // its destructor waits
};

}  // namespace ddls::sampling
