#include "dist/mpi_channel.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <limits>
#include <thread>

#include "base/error.hpp"
#include "base/log.hpp"
#include "dist/check.hpp"

namespace ddls::dist {
namespace {

constexpr int row_tag = 17;

MPI_Datatype mpi_type(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kByte:
      return MPI_UINT8_T;
    case at::kInt:
      return MPI_INT32_T;
    case at::kLong:
      return MPI_INT64_T;
    case at::kFloat:
      return MPI_FLOAT;
    case at::kDouble:
      return MPI_DOUBLE;
    default:
      fail(Exit::internal, "MPI: tensors of type {} are not reduced", c10::toString(tensor.scalar_type()));
  }
}

MPI_Op mpi_op(Reduce op) {
  switch (op) {
    case Reduce::sum:
    case Reduce::mean:
      return MPI_SUM;
    case Reduce::min:
      return MPI_MIN;
    case Reduce::max:
      return MPI_MAX;
  }
  fail(Exit::internal, "unknown reduction");
}

// Calls `action(offset, count)` for pieces of at most `limit` of `total` items.
template <typename Action>
void in_pieces(int64_t total, int64_t limit, const Action& action) {
  for (int64_t offset = 0; offset < total; offset += limit) {
    action(offset, static_cast<int>(std::min(limit, total - offset)));
  }
}

void wait_patiently(MPI_Request& request) {
  const auto start = std::chrono::steady_clock::now();
  for (;;) {
    int done = 0;
    DDLS_MPI(MPI_Test(&request, &done, MPI_STATUS_IGNORE));
    if (done) return;
    const auto waited = std::chrono::steady_clock::now() - start;
    if (waited > std::chrono::microseconds(200)) {
      std::this_thread::sleep_for(std::clamp<std::chrono::nanoseconds>(waited / 20, std::chrono::microseconds(20),
                                                                       std::chrono::milliseconds(5)));
    }
  }
}

}  // namespace

MpiChannel::MpiChannel(MPI_Comm parent, int64_t chunk_bytes)
    : exceptions_(std::uncaught_exceptions()), chunk_bytes_(chunk_bytes) {
  ensure(chunk_bytes >= 8 && chunk_bytes <= std::numeric_limits<int>::max(), "MPI chunks of {} bytes", chunk_bytes);
  DDLS_MPI(MPI_Comm_dup(parent, &comm_));
  DDLS_MPI(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN));
  DDLS_MPI(MPI_Comm_rank(comm_, &rank_));
  DDLS_MPI(MPI_Comm_size(comm_, &ranks_));
}

MpiChannel::~MpiChannel() {
  int down = 0;
  MPI_Finalized(&down);
  if (down || std::uncaught_exceptions() > exceptions_) return;  // freeing is collective: others may not come
  if (MPI_Comm_free(&comm_) != MPI_SUCCESS) log::warning("an MPI communicator could not be freed");
}

void MpiChannel::all_reduce(at::Tensor& tensor, Reduce op) const {
  const MPI_Datatype type = mpi_type(tensor);
  const auto size = static_cast<int64_t>(tensor.element_size());
  auto* data = static_cast<char*>(tensor.data_ptr());
  if (ranks_ > 1) {
    in_pieces(tensor.numel(), chunk_bytes_ / size, [&](int64_t offset, int count) {
      DDLS_MPI(MPI_Allreduce(MPI_IN_PLACE, data + offset * size, count, type, mpi_op(op), comm_));
    });
  }
  if (op == Reduce::mean) tensor.div_(ranks_);
}

int64_t MpiChannel::all_reduce(int64_t value, MPI_Op op) const {
  int64_t result = value;
  DDLS_MPI(MPI_Allreduce(&value, &result, 1, MPI_INT64_T, op, comm_));
  return result;
}

void MpiChannel::broadcast(void* data, int64_t bytes, int root) const {
  in_pieces(bytes, chunk_bytes_, [&](int64_t offset, int count) {
    DDLS_MPI(MPI_Bcast(static_cast<char*>(data) + offset, count, MPI_BYTE, root, comm_));
  });
}

std::vector<uint64_t> MpiChannel::all_gather(const std::vector<uint64_t>& mine) const {
  std::vector<uint64_t> all(mine.size() * static_cast<size_t>(ranks_));
  const auto count = static_cast<int>(mine.size());
  DDLS_MPI(MPI_Allgather(mine.data(), count, MPI_UINT64_T, all.data(), count, MPI_UINT64_T, comm_));
  return all;
}

void MpiChannel::send(const void* data, int64_t bytes, int to) const {
  in_pieces(bytes, chunk_bytes_, [&](int64_t offset, int count) {
    DDLS_MPI(MPI_Send(static_cast<const char*>(data) + offset, count, MPI_BYTE, to, row_tag, comm_));
  });
}

void MpiChannel::receive(void* data, int64_t bytes, int from) const {
  in_pieces(bytes, chunk_bytes_, [&](int64_t offset, int count) {
    DDLS_MPI(MPI_Recv(static_cast<char*>(data) + offset, count, MPI_BYTE, from, row_tag, comm_, MPI_STATUS_IGNORE));
  });
}

void MpiChannel::patient_barrier() const {
  MPI_Request request = MPI_REQUEST_NULL;
  DDLS_MPI(MPI_Ibarrier(comm_, &request));
  wait_patiently(request);
}

int64_t MpiChannel::patient_minimum(int64_t value) const {
  int64_t result = value;
  MPI_Request request = MPI_REQUEST_NULL;
  DDLS_MPI(MPI_Iallreduce(&value, &result, 1, MPI_INT64_T, MPI_MIN, comm_, &request));
  wait_patiently(request);
  return result;
}

void MpiChannel::patient_broadcast(int64_t* values, int count, int root) const {
  MPI_Request request = MPI_REQUEST_NULL;
  DDLS_MPI(MPI_Ibcast(values, count, MPI_INT64_T, root, comm_, &request));
  wait_patiently(request);
}

}  // namespace ddls::dist
