#include "bench/bench.hpp"

#include <ATen/ATen.h>
#include <sys/resource.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/stopwatch.hpp"
#include "device/cuda_bridge.hpp"
#include "dist/failure.hpp"
#include "tensor/noise.hpp"
#include "train/shards.hpp"

namespace ddls::bench {
namespace {

std::string cell(const Json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return value.get<std::string>();
  return value.is_number_float() ? fmt::format("{:.4g}", value.get<double>()) : value.dump();
}

// Objects with the same keys: one column per key, words to the left and numbers to the right.
std::string table_of(const Json& rows) {
  std::vector<std::string> lines(rows.size() + 1);
  for (const auto& [key, first] : rows.front().items()) {
    size_t width = key.size();
    for (const Json& row : rows) width = std::max(width, cell(row.at(key)).size());
    const auto add = [&](std::string& line, const std::string& text) {
      line += first.is_string() ? fmt::format("  {:<{}}", text, width) : fmt::format("  {:>{}}", text, width);
    };
    add(lines[0], key);
    for (size_t i = 0; i < rows.size(); ++i) add(lines[i + 1], cell(rows[i].at(key)));
  }
  std::string text;
  for (const std::string& line : lines) text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  return text;
}

// {"a": {"median": 1}} -> "a.median  1", one line per number or word; lists of objects as tables.
void add_lines(const Json& value, const std::string& name, std::string& text) {
  if (value.is_object()) {
    for (const auto& [key, inner] : value.items()) add_lines(inner, name.empty() ? key : name + "." + key, text);
  } else if (value.is_array() && !value.empty() && value.front().is_object()) {
    text += name + "\n" + table_of(value);
  } else if (value.is_array()) {
    for (const Json& row : value) text += "  " + row.dump() + "\n";
  } else {
    text += fmt::format("{:<34} {}\n", name,
                        value.is_number_float() ? fmt::format("{:.6g}", value.get<double>()) : value.dump());
  }
}

}  // namespace

Json spread_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return {{"median", n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2},
          {"min", values.front()},
          {"max", values.back()}};
}

double seconds_together(dist::Communicator& comm, const std::function<void()>& work) {
  comm.barrier();
  const c10::Device device = comm.topology().device;
  const Stopwatch watch;
  work();
  if (!device.is_cpu()) device::synchronize(device.index());  // what was launched counts when it has run
  comm.barrier();
  return watch.seconds();
}

data::Dataset synthetic_data(const config::Config& config, int64_t count) {
  data::Dataset data;
  data.name = "synthetic";
  const std::string& kind = config.data.kind;
  const int64_t size = config.data.image_size > 0 ? config.data.image_size
                       : kind == "cifar10"        ? 32
                       : kind == "idx"            ? 28
                                                  : 0;
  const int64_t channels = config.data.channels > 0 ? config.data.channels : kind == "idx" ? 1 : 3;
  const tensor::Noise noise{config.seed};
  if (size == 0) {
    if (config.model.architecture != "mlp")
      dist::all_fail(Exit::config, "bench: give the side of the images: --set data.image_size=32");
    data.samples = noise.normal({0, count}, 2, 0, Stream::data_toy);
    return data;
  }
  const at::Tensor pixels = noise.uniform({0, count}, channels * size * size, 0, Stream::data_toy) * 255;
  data.samples = pixels.to(at::kByte).view({count, channels, size, size});
  if (config.model.classes > 0) data.labels = at::arange(count, at::kLong).remainder(config.model.classes);
  return data;
}

double peak_resident_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

Json run_bench(const std::string& kind, config::Config config, const BenchOptions& options, dist::Communicator& comm) {
  train::resolve_shards(config, comm.ranks());
  Json result;
  if (kind == "training") result = bench_training(config, options, comm);
  if (kind == "sampler") result = bench_sampler(config, options, comm);
  if (kind == "evaluation") result = bench_evaluation(config, options, comm);
  if (kind == "data") result = bench_data(config, options, comm);
  if (kind == "collectives") result = bench_collectives(options, comm);
  ensure(!result.is_null(), "bench {} is not there", kind);
  return result;
}

std::string bench_text(const Json& result) {
  std::string text;
  add_lines(result, "", text);
  return text;
}

}  // namespace ddls::bench
