#include "data/loader.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <limits>
#include <mutex>
#include <thread>

#include "base/error.hpp"

namespace ddls::data {
namespace {

// One batch being made. What threads share is guarded by the loader's mutex; rows are written by one thread each.
struct Slot {
  IdRange positions;
  at::Tensor ids, input, used;  // used: the ids that the rows are of
  int64_t taken = 0, done = 0;
  int64_t failed_at = std::numeric_limits<int64_t>::max();
  std::exception_ptr failure;

  bool complete() const { return done == positions.size(); }
};

std::shared_ptr<Slot> new_slot(IdRange positions, EpochOrder& order, const std::vector<int64_t>& shape, bool pinned) {
  auto slot = std::make_shared<Slot>();
  slot->positions = positions;
  slot->ids = order.ids(positions.begin, positions.size());
  std::vector<int64_t> sizes{positions.size()};
  sizes.insert(sizes.end(), shape.begin(), shape.end());
  slot->input = at::empty(sizes, at::TensorOptions(at::kFloat).pinned_memory(pinned));
  slot->used = at::empty({positions.size()}, at::kLong);
  return slot;
}

}  // namespace

struct Loader::State {
  const Dataset& data;
  const int64_t batch;
  const std::vector<IdRange> shards;
  const LoaderOptions options;
  const std::vector<int64_t> shape;
  EpochOrder order;

  std::mutex mutex;
  std::condition_variable work, finished;
  bool ending = false;
  std::deque<std::shared_ptr<Slot>> queue;  // in the order of use
  std::vector<std::jthread> threads;        // last: they end before what they use

  State(const Dataset& d, uint64_t order_seed, int64_t b, std::vector<IdRange> s, const LoaderOptions& o)
      : data(d), batch(b), shards(std::move(s)), options(o), shape(d.shape()), order(order_seed, d.size()) {
    for (int64_t i = 0; data.lazy && i < options.threads; ++i) threads.emplace_back([this] { run(); });
  }

  ~State() {
    const std::scoped_lock lock(mutex);
    ending = true;
    work.notify_all();
  }

  // Row `i` of the slot.
  void make(Slot& slot, int64_t i, std::vector<uint8_t>& pixels) const {
    const int64_t position = slot.positions.begin + i, id = slot.ids.const_data_ptr<int64_t>()[i];
    const int64_t values = slot.input.stride(0);
    const uint8_t* image = nullptr;
    int64_t used = id;
    if (data.lazy) {
      pixels.resize(static_cast<size_t>(values));
      used = data.lazy->decode(id, options.augment.crop_place(position), pixels.data());
      image = pixels.data();
    } else {
      image = data.samples.const_data_ptr<uint8_t>() + id * values;
    }
    options.augment.apply(image, shape, position, slot.input.mutable_data_ptr<float>() + i * values);
    slot.used.mutable_data_ptr<int64_t>()[i] = used;
  }

  // Rows of the first batch that has any left; a few at a time, so that all threads work on the batch that is needed
  // next.
  void run() {
    constexpr int64_t rows_at_a_time = 4;
    std::vector<uint8_t> pixels;
    std::unique_lock lock(mutex);
    while (true) {
      std::shared_ptr<Slot> slot;
      work.wait(lock, [&] {
        for (const auto& candidate : queue)
          if (!slot && candidate->taken < candidate->positions.size()) slot = candidate;
        return ending || slot;
      });
      if (ending) return;
      const int64_t begin = slot->taken, end = std::min(begin + rows_at_a_time, slot->positions.size());
      slot->taken = end;
      lock.unlock();
      int64_t row = begin;
      std::exception_ptr failure;
      try {
        for (; row < end; ++row) make(*slot, row, pixels);
      } catch (...) {
        failure = std::current_exception();
      }
      lock.lock();
      if (failure && row < slot->failed_at) {
        slot->failed_at = row;
        slot->failure = failure;
      }
      slot->done += end - begin;
      if (slot->complete()) finished.notify_all();
    }
  }

  // What will be asked for after `positions`.
  IdRange after(IdRange positions) const {
    const int64_t step = positions.begin / batch;
    for (size_t i = 0; i < shards.size(); ++i) {
      if (shards[i] != IdRange{positions.begin - step * batch, positions.end - step * batch}) continue;
      const bool last = i + 1 == shards.size();
      const IdRange next = last ? shards.front() : shards[i + 1];
      const int64_t base = (last ? step + 1 : step) * batch;
      return {base + next.begin, base + next.end};
    }
    fail(Exit::internal, "the loader was asked for positions {} to {}, which are no shard of its plan", positions.begin,
         positions.end);
  }

  std::shared_ptr<Slot> take(IdRange positions) {
    std::unique_lock lock(mutex);
    while (!queue.empty() && queue.front()->positions != positions) queue.pop_front();
    IdRange next = queue.empty() ? positions : after(queue.back()->positions);
    while (static_cast<int64_t>(queue.size()) <= options.lookahead) {
      queue.push_back(new_slot(next, order, shape, options.pinned));
      next = after(next);
    }
    work.notify_all();
    const std::shared_ptr<Slot> slot = queue.front();
    finished.wait(lock, [&] { return slot->complete(); });
    queue.pop_front();
    return slot;
  }

  std::shared_ptr<Slot> make_here(IdRange positions) {
    const auto slot = new_slot(positions, order, shape, options.pinned);
    std::vector<uint8_t> pixels;
    for (int64_t i = 0; i < positions.size(); ++i) make(*slot, i, pixels);
    return slot;
  }
};

LoaderOptions loader_options(const config::DataConfig& config, const Augment& augment, c10::Device device) {
  return {augment, config.loader_threads, config.lookahead, !device.is_cpu()};
}

LoaderOptions loader_options(const config::DataConfig& config, uint64_t seed, c10::Device device) {
  return loader_options(config, {seed, config.flip, config.dequantise, config.crop == "random"}, device);
}

Loader::Loader(const Dataset& data, uint64_t order_seed, int64_t batch, std::vector<IdRange> shards,
               const LoaderOptions& options)
    : state_(std::make_unique<State>(data, order_seed, batch, std::move(shards), options)) {}

Loader::~Loader() = default;

LoadedBatch Loader::batch(int64_t first_position, int64_t count) {
  State& s = *state_;
  const auto start = std::chrono::steady_clock::now();
  const auto waited = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  const auto held = [&](const at::Tensor& rows) {
    return s.options.pinned && rows.defined() ? rows.pin_memory() : rows;
  };
  if (!s.data.images()) {
    const Dataset::Rows rows = s.data.take(s.order.ids(first_position, count));
    return {held(rows.samples), held(rows.labels), waited()};
  }
  const IdRange positions{first_position, first_position + count};
  const auto slot = s.threads.empty() ? s.make_here(positions) : s.take(positions);
  if (slot->failure) std::rethrow_exception(slot->failure);
  const at::Tensor& labels = s.data.labels;
  return {slot->input, held(labels.defined() ? labels.index_select(0, slot->used) : labels), waited()};
}

}  // namespace ddls::data
