#include "bench/sampler_profile.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/chrome_trace.hpp"
#include "base/stopwatch.hpp"
#include "models/counts.hpp"
#include "models/network.hpp"

namespace ddls::bench {
namespace {

Json or_nothing(double value) { return value > 0 ? Json(value) : Json(); }

// What rows of operations and rows of kinds have in common.
void add_figures(Json& json, const sampling::StepRow& row, double peak_flops) {
  const double rate = row.seconds > 0 ? row.flops / row.seconds : 0;
  json["ms"] = row.seconds * 1e3;
  json["share"] = row.share;
  json["gflop_plain"] = or_nothing(row.plain_flops * 1e-9);
  json["gflop"] = or_nothing(row.flops * 1e-9);
  json["gflop_per_s"] = or_nothing(rate * 1e-9);
  json["of_peak"] = or_nothing(rate / peak_flops);
  json["mb"] = or_nothing(row.bytes * 1e-6);
}

// Rows of one kind, pass and algorithm as one, those that take most first.
std::vector<sampling::StepRow> by_kind(const std::vector<sampling::StepRow>& rows) {
  std::vector<sampling::StepRow> kinds;
  for (const sampling::StepRow& row : rows) {
    const auto same = [&](const sampling::StepRow& k) {
      return k.kind == row.kind && k.pass == row.pass && k.algorithm == row.algorithm;
    };
    auto kind = std::find_if(kinds.begin(), kinds.end(), same);
    if (kind == kinds.end()) {
      kinds.push_back(row);
      continue;
    }
    kind->seconds += row.seconds;
    kind->share += row.share;
    kind->plain_flops += row.plain_flops;
    kind->flops += row.flops;
    kind->bytes += row.bytes;
  }
  std::stable_sort(kinds.begin(), kinds.end(), [](const auto& a, const auto& b) { return a.seconds > b.seconds; });
  return kinds;
}

}  // namespace

std::function<double()> clock_of(c10::Device device) {
  return [watch = Stopwatch(), device] {
    if (!device.is_cpu()) at::zeros({1}, at::TensorOptions().device(device)).item<float>();  // waits for the device
    return watch.seconds();
  };
}

sampling::Target with_update_timed(sampling::Target target, sampling::StepProfile& profile) {
  target.evaluate_by = [inner = target.evaluate_by, &profile](const at::Tensor& w, const at::Tensor& labels) {
    profile.begin_evaluation();
    return inner(w, labels);
  };
  return target;
}

sampling::Target autograd_target(const models::NetworkPtr& generator, const models::NetworkPtr& ratio,
                                 c10::Device device, sampling::Prior prior, const at::Tensor& one,
                                 const at::Tensor& label, sampling::StepProfile& profile) {
  sampling::freeze(*generator);
  sampling::freeze(*ratio);
  const auto part = [&](const char* name, const char* pass) {
    return profile.add_part({.operation = name, .pass = pass, .kind = "network", .algorithm = "autograd", .input = ""});
  };
  const auto timed = [&](const char* name, const models::NetworkPtr& network, double flops) {
    return [&profile, network, flops, row = part(name, "forward")](const at::Tensor& x, const at::Tensor& labels) {
      profile.begin_part(row, flops * static_cast<double>(x.size(0)));
      at::Tensor y = network->forward(x, labels);
      profile.end_part();
      return y;
    };
  };
  at::NoGradGuard no_grad;
  const auto of_generator = static_cast<double>(models::forward_flops(*generator, one, label)),
             of_ratio = static_cast<double>(models::forward_flops(*ratio, generator->forward(one, label), label));
  sampling::Target target = sampling::make_target(timed("generator", generator, of_generator),
                                                  timed("ratio", ratio, of_ratio), one.size(1), device, prior);
  // Around the two forwards, so that its own time is the backward.
  target.evaluate_by = [inner = target.evaluate_by, &profile, flops = of_generator + of_ratio,
                        row = part("both", "backward")](const at::Tensor& w, const at::Tensor& labels) {
    profile.begin_part(row, flops * static_cast<double>(w.size(0)));
    sampling::Evaluation e = inner(w, labels);
    profile.end_part();
    return e;
  };
  return target;
}

Json profile_as_json(const sampling::StepProfile& profile, double peak_flops) {
  std::vector<sampling::StepRow> rows = profile.rows();
  std::rotate(rows.begin(), rows.begin() + 1, rows.end());  // the rest comes last
  Json operations = Json::array();
  for (const sampling::StepRow& row : rows) {
    Json line{{"operation", row.operation}, {"pass", row.pass},   {"kind", row.kind},
              {"algorithm", row.algorithm}, {"input", row.input}, {"calls", row.calls}};
    add_figures(line, row, peak_flops);
    operations.push_back(std::move(line));
  }
  Json kinds = Json::array();
  for (const sampling::StepRow& kind : by_kind(rows)) {
    Json line{{"kind", kind.kind}, {"pass", kind.pass}, {"algorithm", kind.algorithm}};
    add_figures(line, kind, peak_flops);
    kinds.push_back(std::move(line));
  }
  return {{"steps", profile.steps()},
          {"seconds_per_step", profile.seconds_per_step()},
          {"operations", std::move(operations)},
          {"kinds", std::move(kinds)}};
}

Json trace_of(const sampling::StepProfile& profile) {
  std::vector<TraceLabel> labels;
  for (const sampling::StepRow& row : profile.rows()) {
    TraceLabel label{.name = row.operation, .category = row.pass};
    if (!row.pass.empty()) {
      label.name += " " + row.pass;
      label.arguments = {{"kind", row.kind}, {"algorithm", row.algorithm}, {"input", row.input}};
    }
    labels.push_back(std::move(label));
  }
  labels.front() = {.name = "step", .category = "step"};
  return chrome_trace(profile.timeline().spans(), labels, "Langevin steps");
}

}  // namespace ddls::bench
