#include "dist/gradient_reducer.hpp"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <thread>

#include "base/error.hpp"
#include "base/files.hpp"
#include "dist/gradient_buckets.hpp"

namespace ddls::dist {
namespace {

// x + grid - grid in float64 is x rounded to a multiple of 2^-40: in [2^12, 2^13), where the sum lies, that is one ulp.
constexpr double grid = 1.5 * 4096;

// The scalars travel with counts of what was added, so that a rank without a shard learns how many there are.
constexpr size_t shard_slot = 0, call_slot = 1, width_slot = 2, first_scalar = 3, tail_size = 32;

struct Hook : torch::autograd::PostAccumulateGradHook {
  explicit Hook(std::function<void()> call) : call_(std::move(call)) {}
  void operator()(const at::Tensor&) override { call_(); }
  std::function<void()> call_;
};

}  // namespace

struct GradientReducer::State {
  tensor::FlatParameters& parameters;
  Communicator& comm;
  ReducerOptions options;
  int64_t total;    // elements of the flat gradient
  at::Tensor sums;  // exact: float64 [total + tail_size]; overlapped: float64 [tail_size]
  std::vector<double> counts = std::vector<double>(first_scalar, 0);  // the tail's first slots
  at::Tensor added;                                                   // the tail's other slots
  std::vector<GradientBucket> buckets;
  std::vector<size_t> bucket_of;    // per parameter
  std::vector<int> fired, missing;  // backwards per parameter; parameters a bucket still waits for
  std::vector<int> fired_armed;
  std::vector<Pending> pending;  // of the buckets that have left, in order
  bool armed = false;
  std::thread::id arming_thread;
  int64_t expected_shards = 0;
  bool tail_read = true;
  std::vector<double> scalars;

  State(tensor::FlatParameters& p, Communicator& c, const ReducerOptions& o)
      : parameters(p), comm(c), options(o), total(p.gradients().numel()) {
    const int64_t elements = static_cast<int64_t>(tail_size) + (options.exact ? total : 0);
    sums = at::zeros({elements}, p.gradients().options().dtype(at::kDouble));
    added = at::zeros({static_cast<int64_t>(tail_size - first_scalar)}, sums.options());
    fired.assign(p.slices().size(), 0);
    fired_armed = fired;
    if (options.exact) return;
    buckets = make_buckets(p.slices(), total, p.gradients().element_size(), o.bucket_bytes, o.first_bucket_bytes);
    bucket_of.resize(p.slices().size());
    for (size_t b = 0; b < buckets.size(); ++b) {
      for (size_t i = buckets[b].first_slice; i < buckets[b].last_slice; ++i) bucket_of[i] = b;
    }
  }

  void on_gradient(size_t parameter);
  void launch_next();
  void launch_ready();
  void add_exactly();
  void read_tail();
};

// Runs on the thread of the backward pass: the caller's for CPU graphs, one of autograd's own for CUDA.
void GradientReducer::State::on_gradient(size_t parameter) {
  ++fired[parameter];
  if (!armed) return;
  if (++fired_armed[parameter] > 1) return;  // finish() names it
  --missing[bucket_of[parameter]];
  launch_ready();
}

void GradientReducer::State::launch_next() {
  const GradientBucket& bucket = buckets[pending.size()];
  pending.push_back(comm.all_reduce_async(parameters.gradients().slice(0, bucket.begin, bucket.end)));
}

// Buckets leave in the order of their index whatever is ready first, so that all ranks send the same ones. MPI may be
// called by one thread only; over host memory a hook on another thread leaves its bucket to finish().
void GradientReducer::State::launch_ready() {
  const Transport transport = comm.topology().transport;
  if (transport == Transport::staged) return;
  if (transport == Transport::mpi && std::this_thread::get_id() != arming_thread) return;
  while (pending.size() < buckets.size() && missing[pending.size()] == 0) launch_next();
}

// Adds this shard's gradient, rounded to the grid, and zeroes it for the next shard.
void GradientReducer::State::add_exactly() {
  const c10::NoGradGuard no_grad;
  at::Tensor& gradient = parameters.gradients();
  if (!gradient.is_cpu() || gradient.scalar_type() != at::kFloat) {
    sums.slice(0, 0, total).add_(gradient.to(at::kDouble).add_(grid).sub_(grid));
    gradient.zero_();
    return;
  }
  float* __restrict g = gradient.data_ptr<float>();
  double* __restrict sum = sums.data_ptr<double>();
  for (int64_t i = 0; i < total; ++i) {
    sum[i] += (static_cast<double>(g[i]) + grid) - grid;
    g[i] = 0;
  }
}

void GradientReducer::State::read_tail() {
  if (tail_read) return;
  const at::Tensor host = sums.slice(0, sums.numel() - static_cast<int64_t>(tail_size)).to(at::kCPU);
  const double* values = host.data_ptr<double>();
  ensure(values[shard_slot] == static_cast<double>(expected_shards),
         "finish() was told of {} shards, the ranks added {}", expected_shards, values[shard_slot]);
  const size_t width = values[call_slot] > 0 ? static_cast<size_t>(values[width_slot] / values[call_slot]) : 0;
  ensure(static_cast<double>(width) * values[call_slot] == values[width_slot],
         "add_scalars: calls of one step differ in length");
  scalars.assign(values + first_scalar, values + first_scalar + width);
  tail_read = true;
}

GradientReducer::GradientReducer(tensor::FlatParameters& parameters, Communicator& comm, ReducerOptions options)
    : state_(std::make_unique<State>(parameters, comm, options)) {
  std::string layout = fmt::format("{} {} {}", options.exact, options.bucket_bytes, options.first_bucket_bytes);
  for (const tensor::ParameterSlice& slice : parameters.slices()) {
    layout += fmt::format(" {} {} {}", slice.name, slice.offset, slice.numel);
  }
  comm.require_same(hash64(layout), "the parameters whose gradients are summed");
  for (size_t i = 0; i < parameters.slices().size(); ++i) {
    torch::autograd::impl::set_post_acc_grad_hooks(
        parameters.slices()[i].parameter, std::make_unique<Hook>([state = state_.get(), i] { state->on_gradient(i); }));
  }
}

GradientReducer::~GradientReducer() {
  for (const tensor::ParameterSlice& slice : state_->parameters.slices()) {
    torch::autograd::impl::set_post_acc_grad_hooks(slice.parameter, nullptr);
  }
}

void GradientReducer::begin() {
  State& s = *state_;
  s.parameters.zero_gradients();
  s.sums.zero_();
  s.counts.assign(first_scalar, 0);
  s.added.zero_();
  s.fired.assign(s.fired.size(), 0);
  s.fired_armed.assign(s.fired.size(), 0);
  s.missing.clear();
  for (const GradientBucket& bucket : s.buckets)
    s.missing.push_back(static_cast<int>(bucket.last_slice - bucket.first_slice));
  s.pending.clear();
  s.armed = false;
  s.scalars.clear();
  s.tail_read = true;
}

void GradientReducer::arm() {
  if (state_->options.exact) return;  // its sum needs whole shards
  state_->armed = true;
  state_->arming_thread = std::this_thread::get_id();
}

void GradientReducer::add_shard() {
  state_->parameters.check_views();
  state_->counts[shard_slot] += 1;
  if (state_->options.exact) state_->add_exactly();
}

void GradientReducer::add_scalars(const at::Tensor& values) {
  const c10::NoGradGuard no_grad;
  State& s = *state_;
  ensure(values.dim() == 1 && values.scalar_type() == at::kDouble, "add_scalars takes [n] float64");
  ensure(values.numel() <= s.added.numel(), "add_scalars: {} values, at most {}", values.numel(), s.added.numel());
  s.counts[call_slot] += 1;
  s.counts[width_slot] += static_cast<double>(values.numel());
  s.added.slice(0, 0, values.numel()).add_(s.options.exact ? values.add(grid).sub_(grid) : values);
}

void GradientReducer::finish(int64_t total_shards) {
  const c10::NoGradGuard no_grad;
  State& s = *state_;
  s.armed = false;
  ensure(total_shards > 0, "finish: {} shards", total_shards);
  for (size_t i = 0; i < s.fired_armed.size(); ++i) {
    ensure(s.fired_armed[i] < 2,
           "parameter {} fired twice while armed, so its bucket may have left too early: call arm() before the last "
           "backward of a step only",
           s.parameters.slices()[i].name);
  }
  s.parameters.check_views();
  const int64_t tail_at = s.sums.numel() - static_cast<int64_t>(tail_size);
  for (size_t i = 0; i < first_scalar; ++i)  // not copied: a GPU would have to be waited for
    s.sums.select(0, tail_at + static_cast<int64_t>(i)).fill_(s.counts[i]);
  s.sums.slice(0, tail_at + static_cast<int64_t>(first_scalar)).copy_(s.added);
  while (s.pending.size() < s.buckets.size()) s.launch_next();
  s.comm.all_reduce(s.sums);
  for (Pending& pending : s.pending) pending.wait();

  at::Tensor& gradient = s.parameters.gradients();
  if (!s.options.exact) {
    gradient.div_(static_cast<double>(total_shards));
  } else if (gradient.is_cpu() && gradient.scalar_type() == at::kFloat) {
    float* __restrict g = gradient.data_ptr<float>();
    const double* __restrict sum = s.sums.data_ptr<double>();
    const auto shards = static_cast<double>(total_shards);
    for (int64_t i = 0; i < s.total; ++i) g[i] = static_cast<float>(sum[i] / shards);
  } else {
    gradient.copy_(s.sums.slice(0, 0, s.total).div(static_cast<double>(total_shards)));
  }
  s.expected_shards = total_shards;
  s.tail_read = false;
  if (gradient.is_cpu()) s.read_tail();  // on a GPU, reading waits for the device: only when somebody asks
}

const std::vector<double>& GradientReducer::scalars() const {
  state_->read_tail();
  return state_->scalars;
}

std::vector<std::string> GradientReducer::without_gradient() const {
  std::vector<std::string> names;
  for (size_t i = 0; i < state_->fired.size(); ++i) {
    if (state_->fired[i] == 0) names.push_back(state_->parameters.slices()[i].name);
  }
  return names;
}

}  // namespace ddls::dist
