#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "base/error.hpp"
#include "base/philox.hpp"
#include "data/dataset.hpp"
#include "tensor/noise.hpp"

namespace ddls::data {
namespace {

struct Ticket {
  uint64_t lot = 0;
  int64_t id = 0;
  bool operator<(const Ticket& other) const { return lot != other.lot ? lot < other.lot : id < other.id; }
};

uint32_t low(uint64_t v) { return static_cast<uint32_t>(v); }
uint32_t high(uint64_t v) { return static_cast<uint32_t>(v >> 32); }

// Words (0, 1) of Philox keyed by (seed, stream) with counter (0, id, epoch).
uint64_t draw_lot(uint64_t seed, uint64_t id, uint64_t epoch) {
  const PhiloxKey key{low(seed), high(seed) ^ (static_cast<uint32_t>(Stream::data_order) * 0x9E3779B9U)};
  const PhiloxCounter words = philox4x32({0, low(id), low(epoch), high(id) ^ (high(epoch) << 16)}, key);
  return uint64_t{words[0]} << 32 | words[1];
}

}  // namespace

// Every id draws a 64-bit lot; the epoch visits the ids in the order of their lots.
const at::Tensor& EpochOrder::permutation(int64_t epoch) {
  if (epoch == cached_epoch_) return cached_;
  std::vector<Ticket> tickets(static_cast<size_t>(size_));
  for (int64_t id = 0; id < size_; ++id) {
    tickets[static_cast<size_t>(id)] = {draw_lot(seed_, static_cast<uint64_t>(id), static_cast<uint64_t>(epoch)), id};
  }
  std::ranges::sort(tickets, std::less<>());
  cached_ = at::empty({size_}, at::kLong);
  std::ranges::transform(tickets, cached_.mutable_data_ptr<int64_t>(), &Ticket::id);
  cached_epoch_ = epoch;
  return cached_;
}

at::Tensor EpochOrder::ids(int64_t first_position, int64_t count) {
  ensure(size_ > 0 && first_position >= 0 && count >= 0, "{} positions from {} in a data set of {}", count,
         first_position, size_);
  at::Tensor result = at::empty({count}, at::kLong);
  for (int64_t done = 0; done < count;) {
    const int64_t position = first_position + done;
    const int64_t begin = position % size_;
    const int64_t n = std::min(count - done, size_ - begin);
    result.narrow(0, done, n).copy_(permutation(position / size_).narrow(0, begin, n));
    done += n;
  }
  return result;
}

}  // namespace ddls::data
