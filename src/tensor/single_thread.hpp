#pragma once
// Sums of a matrix product depend on how many threads share it, and how many there are depends on the ranks of a
// machine. While one of these lives, ATen computes on the calling thread alone: the same bits everywhere.
#include <ATen/Parallel.h>

namespace ddls::tensor {

class SingleThread {
 public:
  SingleThread() : before_(at::get_num_threads()) { at::set_num_threads(1); }
  ~SingleThread() { at::set_num_threads(before_); }
  SingleThread(const SingleThread&) = delete;
  SingleThread& operator=(const SingleThread&) = delete;

 private:
  int before_;
};

}  // namespace ddls::tensor
