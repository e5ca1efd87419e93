#include "app/sample_scripted.hpp"

#include "app/run.hpp"
#include "base/error.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "config/load.hpp"
#include "ddls/labels.hpp"
#include "ddls/scripted_gan.hpp"
#include "ddls/weights_gan.hpp"
#include "version.hpp"

namespace ddls {
namespace {

// The samples are named after the generator's file unless the configuration names them.
Config config_of(const CommandLine& line) {
  std::vector<std::string> overrides = line.overrides;
  if (line.config_file.empty()) overrides.insert(overrides.begin(), "name=" + fs::path(line.generator).stem().string());
  return load_config(line.config_file, overrides);
}

ForeignGan load_gan(const CommandLine& line, const Config& config, c10::Device device) {
  const auto is_weights = [](const std::string& file) { return fs::path(file).extension() == ".safetensors"; };
  if (is_weights(line.generator) != is_weights(line.discriminator))
    fail(Exit::usage, "sample: --generator and --discriminator are both TorchScript files, or both .safetensors");
  if (is_weights(line.generator)) return load_weights_gan(line.generator, line.discriminator, config, device);
  if (!config.model.weight_map.empty())
    fail(Exit::config, "model.weight_map: only for weights in .safetensors; TorchScript files bring their networks");
  return load_scripted_gan(line.generator, line.discriminator, config.model, device);
}

std::string provenance(const CommandLine& line, const Config& config, const ForeignGan& gan, int ranks) {
  const auto file = [](const std::string& path) { return Json{{"file", path}, {"sha256", sha256_of_file(path)}}; };
  const Json record{{"schema", 1},
                    {"version", version::project},
                    {"git_commit", version::git_commit},
                    {"torch", version::torch},
                    {"seed", config.seed},
                    {"ranks", ranks},
                    {"generator", file(line.generator)},
                    {"discriminator", file(line.discriminator)},
                    {"sample_shape", gan.sample_shape}};
  return record.dump(2) + "\n";
}

}  // namespace

void sample_scripted(const CommandLine& line, Communicator& comm) {
  Config config;
  ForeignGan gan;
  comm.together([&] {
    config = config_of(line);
    gan = load_gan(line, config, comm.topology().device);
  });
  comm.require_same(hash64(to_yaml(config, false)), "the configuration");
  comm.require_same(gan.digest, "the files of the networks");
  label_chains(gan.target, config.sample.labels, config.model.classes, Noise{config.seed});
  config.sample.sweep.clear();  // a figure of the pipeline

  const fs::path folder = folder_of(line, config);
  comm.on_root([&] {
    make_folder(folder / "samples");
    if (line.shard.partial()) return std::string();
    write_file(folder / "config.yaml", to_yaml(config));
    write_file(folder / "run.json", provenance(line, config, gan, comm.ranks()));
    return std::string();
  });
  log::info("sampling from {} and {}: samples [{}]", line.generator, line.discriminator,
            fmt::join(gan.sample_shape, ", "));
  RunLog run_log = open_run_log(folder, config, comm, line.shard);
  Run run{std::move(config), folder, line.resume, comm, std::move(run_log), {}, {}, line.shard};
  sample_stage(run, {gan.target, gan.digest});
  log::info("samples in {}", (folder / "samples").string());
}

}  // namespace ddls
