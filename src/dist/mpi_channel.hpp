#pragma once
// The collectives of host memory: a duplicated MPI communicator that returns errors, and messages cut into chunks,
// since MPI counts are `int`. Every member is **collective** unless said.
#include <ATen/core/Tensor.h>
#include <mpi.h>

#include <cstdint>
#include <vector>

#include "dist/communicator.hpp"

namespace ddls::dist {

class MpiChannel {
 public:
  MpiChannel(MPI_Comm parent, int64_t chunk_bytes);
  ~MpiChannel();
  MpiChannel(const MpiChannel&) = delete;
  MpiChannel& operator=(const MpiChannel&) = delete;

  int rank() const { return rank_; }
  int ranks() const { return ranks_; }

  // Contiguous CPU tensors, in place; uint8, int32, int64, float32, float64.
  void all_reduce(at::Tensor& tensor, Reduce op) const;
  int64_t all_reduce(int64_t value, MPI_Op op) const;
  void broadcast(void* data, int64_t bytes, int root) const;
  std::vector<uint64_t> all_gather(const std::vector<uint64_t>& mine) const;  // rank after rank
  void send(const void* data, int64_t bytes, int to) const;                   // two ranks
  void receive(void* data, int64_t bytes, int from) const;

  // For waits that other ranks' work may make long: they leave the core to others instead of spinning on it.
  void patient_barrier() const;
  int64_t patient_minimum(int64_t value) const;
  void patient_broadcast(int64_t* values, int count, int root) const;

 private:
  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0, ranks_ = 1, exceptions_ = 0;
  int64_t chunk_bytes_;
};

}  // namespace ddls::dist
