#include "ddls/step_profile.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/error.hpp"

namespace ddls::sampling {
namespace {

constexpr size_t step_row = 0, update_row = 1;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

}  // namespace

StepProfile::StepProfile(std::function<double()> clock_s) : timeline_(std::move(clock_s)) {
  rows_.push_back({.operation = "rest", .pass = "", .kind = "rest", .algorithm = "", .input = ""});
  rows_.push_back(
      {.operation = "update", .pass = "", .kind = "Langevin update and noise", .algorithm = "", .input = ""});
}

void StepProfile::watches(const std::string& network, const inference::Operations& operations) {
  for (const inference::NamedOperation& op : inference::named(operations, network)) {
    first_row_.emplace(&op.operation, rows_.size());
    for (const char* pass : {"forward", "vjp"})
      rows_.push_back({.operation = op.name, .pass = pass, .kind = "", .algorithm = "", .input = ""});
  }
}

void StepProfile::begins(const inference::Operation& operation, inference::Pass pass, const at::Tensor& input) {
  if (!recording_) return;
  const size_t place = first_row_.at(&operation) + (pass == inference::Pass::vjp ? 1 : 0);
  StepRow& row = rows_[place];
  const inference::OperationWork work = operation.work(pass, input.sizes());
  if (row.calls == 0) {
    row.kind = work.kind;
    row.algorithm = work.algorithm;
    row.input = fmt::format("{}", fmt::join(input.sizes().slice(1), "x"));
  }
  const auto samples = static_cast<double>(input.size(0));
  row.calls += 1;
  row.plain_flops += 2 * samples * static_cast<double>(work.plain_multiply_adds);
  row.flops += 2 * samples * static_cast<double>(work.multiply_adds);
  row.bytes += static_cast<double>(static_cast<int64_t>(input.nbytes()) + work.weight_bytes);
  timeline_.open(place);
}

void StepProfile::ends(const at::Tensor& result) {
  if (!recording_) return;
  rows_[timeline_.close()].bytes += static_cast<double>(result.nbytes());
}

void StepProfile::recalls(const at::Tensor& kept) {
  if (recording_) rows_[timeline_.current()].bytes += static_cast<double>(kept.nbytes());
}

size_t StepProfile::add_part(StepRow part) {
  rows_.push_back(std::move(part));
  return rows_.size() - 1;
}

void StepProfile::begin_part(size_t part, double flops) {
  if (!recording_) return;
  rows_[part].calls += 1;
  rows_[part].plain_flops += flops;
  rows_[part].flops += flops;
  timeline_.open(part);
}

void StepProfile::end_part() {
  if (recording_) timeline_.close();
}

void StepProfile::begin_step() {
  recording_ = updating_ = true;
  for (const size_t row : {step_row, update_row}) {
    rows_[row].calls += 1;
    timeline_.open(row);
  }
}

void StepProfile::begin_evaluation() {
  if (std::exchange(updating_, false)) timeline_.close();
}

void StepProfile::end_step() {
  begin_evaluation();  // of steps without one
  timeline_.close();
  recording_ = false;
  ++steps_;
}

std::vector<StepRow> StepProfile::rows() const {
  ensure(steps_ > 0, "a profile without steps");
  std::vector<std::vector<double>> seconds(rows_.size(), std::vector<double>(static_cast<size_t>(steps_), 0));
  size_t steps_begun = 0;
  for (const Span& span : timeline_.spans()) {
    if (span.activity == step_row) ++steps_begun;
    seconds[span.activity][steps_begun - 1] += span.own_s;
  }
  std::vector<StepRow> rows = rows_;
  double sum = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i].seconds = median(std::move(seconds[i]));
    sum += rows[i].seconds;
    for (double* total : {&rows[i].calls, &rows[i].plain_flops, &rows[i].flops, &rows[i].bytes})
      *total /= static_cast<double>(steps_);
  }
  for (StepRow& row : rows) row.share = row.seconds / sum;
  return rows;
}

double StepProfile::seconds_per_step() const {
  std::vector<double> seconds;
  for (const Span& span : timeline_.spans())
    if (span.activity == step_row) seconds.push_back(span.end_s - span.begin_s);
  return median(std::move(seconds));
}

}  // namespace ddls::sampling
