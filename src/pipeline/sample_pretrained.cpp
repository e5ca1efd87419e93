#include "pipeline/sample_pretrained.hpp"

#include <cctype>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "config/load.hpp"
#include "ddls/labels.hpp"
#include "ddls/pt2_gan.hpp"
#include "ddls/scripted_gan.hpp"
#include "ddls/weights_gan.hpp"
#include "pipeline/stages.hpp"
#include "train/calibrate.hpp"

namespace ddls::pipeline {
namespace {

// "my model (2)" as the name of a folder: "my_model_2".
std::string as_name(const std::string& text) {
  std::string name;
  for (const char c : text.substr(0, 100)) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0;
    if (plain || (!name.empty() && (c == '.' || c == '-' || c == '_')))
      name += c;
    else if (!name.empty() && name.back() != '_')
      name += '_';
  }
  while (name.ends_with('_')) name.pop_back();
  return name.empty() ? "samples" : name;
}

Json about_networks(const GanFiles& files, const sampling::ForeignGan& gan) {
  const auto file = [](const std::string& path) { return Json{{"file", path}, {"sha256", sha256_of_file(path)}}; };
  Json about{{"generator", file(files.generator)}};
  if (!files.discriminator.empty()) about["discriminator"] = file(files.discriminator);
  about["sample_shape"] = gan.sample_shape;
  return about;
}

bool has_ending(const std::string& file, const char* ending) { return fs::path(file).extension() == ending; }

// What needs networks of ours.
void refuse_options(const config::Config& config, const char* files) {
  if (!config.model.weight_map.empty())
    fail(Exit::config, "model.weight_map: only for weights in .safetensors; {} bring their networks", files);
  if (config.sample.precision == "bfloat16")
    fail(Exit::config, "sample.precision: {} run as they are; {} needs networks of ours", files,
         config.sample.precision);
  if (config.sample.cuda_graph)
    fail(Exit::config,
         "sample.cuda_graph: {} may take memory or wait for the device as they run, which a graph cannot record; set "
         "it to false",
         files);
}

// **Collective.** On reals that the configuration names: only who trained the files knows which of them D never saw.
std::optional<train::Calibration> fitted_calibration(Run& run, const TrainedTarget& raw,
                                                     const std::vector<int64_t>& shape) {
  if (!run.config.train.calibration.fitted()) return std::nullopt;
  run.comm.together([&] {
    if (run.config.train.calibration.method == "head")
      fail(Exit::config,
           "train.calibration.method: a head needs the features of a network of ours; TorchScript files give scores "
           "alone, choose platt or isotonic");
    run.train = data::open_dataset(run.config.data, data::Split::train, run.config.seed);
    if (run.train.shape() != shape)
      fail(Exit::config,
           "train.calibration: the samples of '{}' are [{}], the generator's [{}]; name reals that the discriminator "
           "never saw with data.kind and data.train",
           run.train.name, fmt::join(run.train.shape(), ", "), fmt::join(shape, ", "));
    if (run.config.model.classes > 0 && run.train.classes() == 0)
      fail(Exit::config, "train.calibration: model.classes is {}, but '{}' has no labels", run.config.model.classes,
           run.train.name);
    check_features(run);
    hold_out_reals(run);
  });
  run.comm.require_same(run.train.digest(), "the data");
  // Parts of a job array run at the same time: each comes to the same calibration in a folder of its own.
  const fs::path checkpoints = run.writes()
                                   ? run.checkpoints()
                                   : run.checkpoints() / fmt::format("part-{}-of-{}", run.shard.index, run.shard.count);
  const std::string folder = train::calibrate({.config = run.config,
                                               .held_out = run.held_out,
                                               .as_trained = false,
                                               .target = raw.target,
                                               .score = nullptr,
                                               .weights = raw.digest,
                                               .networks = {},
                                               .checkpoints = checkpoints,
                                               .resume = run.resume},
                                              run.comm);
  return run.comm.together([&] { return train::calibration_of(train::read_checkpoint(folder)); });
}

bool can_be_drawn(const std::vector<int64_t>& shape) {
  return (shape.size() == 1 && shape[0] == 2) || (shape.size() == 3 && (shape[0] == 1 || shape[0] == 3));
}

}  // namespace

std::string name_after(const std::string& generator) { return as_name(fs::path(generator).stem().string()); }

sampling::ForeignGan load_foreign_gan(const GanFiles& files, config::Config& config, c10::Device device) {
  if (config.model.pretrained())
    fail(Exit::usage,
         "sample: the configuration has a generator of its own (model.architecture pretrained); leave --generator out");
  const auto is_weights = [](const std::string& file) { return has_ending(file, ".safetensors"); };
  if (has_ending(files.generator, ".pt2")) {
    const tensor::Pt2Archive archive = tensor::open_pt2(files.generator, "--generator");
    config.model = sampling::model_of_pt2(archive, config.model);
    refuse_options(config, ".pt2 archives");
    sampling::ForeignGan gan = sampling::load_pt2_gan(archive, config.model, device);
    if (config.train.calibration.fitted() && !gan.target.score_by)
      fail(Exit::config,
           "train.calibration: {} has no program 'score', which rates reals; export it with the discriminator",
           files.generator);
    return gan;
  }
  if (config.model.compiled != "off")
    fail(Exit::config, "model.compiled: only a .pt2 archive has compiled programs, and {} is none", files.generator);
  if (is_weights(files.generator) != is_weights(files.discriminator))
    fail(Exit::usage,
         "sample: --generator and --discriminator are both TorchScript files, or both .safetensors; a .pt2 archive is "
         "given alone");
  if (is_weights(files.generator))
    return sampling::load_weights_gan(files.generator, files.discriminator, config, device);
  refuse_options(config, "TorchScript files");
  return sampling::load_scripted_gan(files.generator, files.discriminator, config.model, device);
}

void sample_pretrained(config::Config config, const GanFiles& files, const RunOptions& options,
                       dist::Communicator& comm) {
  sampling::ForeignGan gan = comm.together([&] { return load_foreign_gan(files, config, comm.topology().device); });
  comm.require_same(hash64(config::to_yaml(config, false)), "the configuration");
  comm.require_same(gan.digest, "the files of the networks");
  comm.require_same(hash64(gan.compiled), compiled_programs);
  sampling::label_chains(gan.target, config.sample.labels, config.model.classes, tensor::Noise{config.seed});
  config.sample.sweep.clear();  // a figure of the pipeline

  const fs::path folder = folder_of(options, config);
  comm.on_root([&] { make_folder(folder / "samples"); });
  log::info("sampling from {}{}: samples [{}]", files.generator,
            files.discriminator.empty() ? "" : " and " + files.discriminator, fmt::join(gan.sample_shape, ", "));
  const Json about = comm.together([&] { return about_networks(files, gan); });
  train::RunLog run_log = open_run_log(folder, config, comm, options, about);
  Run run{std::move(config), folder, options.resume, comm, std::move(run_log), {}, {}, options.shard};
  run.compiled = gan.compiled;
  TrainedTarget trained{.target = gan.target, .digest = gan.digest};
  apply_calibration(run, trained, fitted_calibration(run, trained, gan.sample_shape));
  sample_stage(run, trained);
  if (can_be_drawn(gan.sample_shape)) picture_stage(run);
  log::info("samples in {}", (folder / "samples").string());
}

}  // namespace ddls::pipeline
