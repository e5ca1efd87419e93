#include "pipeline/run.hpp"

#include <algorithm>
#include <ctime>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/json_fields.hpp"
#include "base/json_text.hpp"
#include "base/log.hpp"
#include "config/load.hpp"
#include "data/hold_out.hpp"
#include "dist/collective_log.hpp"
#include "ddls/given_gan.hpp"
#include "device/device_of.hpp"
#include "dist/failure.hpp"
#include "models/factory.hpp"
#include "models/state.hpp"
#include "pipeline/set_record.hpp"
#include "pipeline/stages.hpp"
#include "train/gan_training.hpp"
#include "train/latents.hpp"
#include "train/shards.hpp"
#include "version.hpp"

namespace ddls::pipeline {
namespace {

// What run.json says of this start.
Json provenance(const RunOptions& options, const config::Config& config, const dist::Topology& topology,
                const Json& about) {
  Json places = Json::array();
  for (const dist::RankPlace& p : topology.places)
    places.push_back({{"rank", p.rank}, {"host", p.host}, {"device", p.device}, {"threads", p.threads}});
  char now[32];
  const std::time_t t = std::time(nullptr);
  std::strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&t));
  Json record{{"schema", 1},
              {"started", now},
              {"command", options.command},
              {"version", version::project},
              {"git_commit", version::git_commit},
              {"build", version::build_type},
              {"compiler", version::compiler},
              {"torch", version::torch},
              {"ranks", topology.ranks},
              {"transport", dist::name_of(topology.transport)},
              {"device", device::kind_of(topology.device)},
              {"places", places},
              {"seed", config.seed}};
  record.update(about);
  return record;
}

Json about_data(const data::Dataset& train, const data::Dataset& test) {
  return {{"data",
           {{"train", {{"name", train.name}, {"count", train.size()}, {"hash", hex64(train.digest())}}},
            {"test", {{"name", test.name}, {"count", test.size()}}}}}};
}

// `now` with a line of every start that did work here: a run that was trained on eight ranks and sampled on two says
// so.
void write_provenance(const fs::path& file, Json now) {
  Json starts = Json::array();
  if (fs::exists(file)) {
    const Json before = Json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
    if (before.is_object() && before.contains("starts") && before["starts"].is_array()) starts = before["starts"];
  }
  Json line = Json::object();
  for (const char* key : {"started", "command", "version", "git_commit", "ranks", "transport", "device"})
    line[key] = now[key];
  starts.push_back(line);
  now["starts"] = starts;
  write_file(file, json_text(now, 2) + "\n");
}

bool counts_from_1(const data::Dataset& data) { return data.class_names.empty() && data.classes_seen().front() == 1; }

// The labels go beyond model.classes.
[[noreturn]] void refuse_labels(const Run& run) {
  const int64_t classes = run.config.model.classes;
  const std::vector<int64_t> seen = run.train.classes_seen();
  if (counts_from_1(run.train) && seen.back() == classes)
    fail(Exit::config,
         "model.classes is {}, and the labels of '{}' are 1 to {}: they count from 1; set data.first_label=1, by which "
         "label 1 is the first of the {} classes",
         classes, run.train.name, classes, classes);
  fail(Exit::config,
       "model.classes is {}, but '{}' has labels up to {}: {} different ones ({}); a model's classes are the labels "
       "below model.classes",
       classes, run.train.name, seen.back(), seen.size(), data::list_of_classes(seen, {}));
}

void check_model_options(const Run& run) {
  if (!run.config.model.weight_map.empty())
    fail(Exit::config, "model.weight_map: only for 'sample --generator FILE.safetensors'; a run names its own tensors");
  constexpr int64_t most_classes = 1'000'000;  // networks have a row for each
  for (const data::Dataset* set : {&run.train, &run.test})
    if (set->classes() > most_classes)
      fail(Exit::data, "'{}' has a label {}: labels number the classes, from 0 to at most {}", set->name,
           set->classes() - 1, most_classes - 1);
  const int64_t classes = run.config.model.classes;
  if (classes == 0) return;
  if (run.train.classes() == 0)
    fail(Exit::config, "model.classes is {}, but {}; set model.classes to 0", classes, run.train.why_no_labels());
  if (run.train.classes() > classes) refuse_labels(run);
}

// Whether the data are those of a given GAN, and a score of it can be had.
void check_given(const config::Config& config, const sampling::GivenGan& gan, const data::Dataset& train) {
  const config::ModelConfig& model = config.model;
  if (gan.sample_shape != train.shape())
    fail(Exit::data,
         "{}: it makes samples [{}], but those of '{}' are [{}]; data.image_size and data.channels scale them",
         model.generator, fmt::join(gan.sample_shape, ", "), train.name, fmt::join(train.shape(), ", "));
  if (model.classes > 0 && train.classes() == 0)
    fail(Exit::data, "{}: it has {} classes, but {}; give labelled data", model.generator, model.classes,
         train.why_no_labels());
  if (config.train.ratio.steps > 0) return;
  if (!gan.discriminator)
    fail(Exit::config,
         "train.ratio.steps is 0, but {} has a generator alone; fit a ratio for it: train.ratio.steps=5000",
         model.generator);
  if (config.train.calibration.method == "head")
    fail(
        Exit::config,
        "train.calibration.method: a head needs the features of a network of ours, and the score is that of {}; choose "
        "another, or fit a ratio (train.ratio.steps)",
        model.generator);
}

// Step sizes that are accepted shrink as the latent grows, but for kernels that keep the prior.
void advise_of_large_latents(const Run& run) {
  constexpr int64_t large = 1024;
  const std::vector<std::string>& methods = run.config.sample.methods;
  const auto asked = [&](const char* name) { return std::ranges::count(methods, name) > 0; };
  if (!run.given || run.config.model.latent_dim < large || asked("pcn") || asked("elliptical_slice")) return;
  log::info(
      "{}: its latent has {} dimensions; of the samplers pcn and elliptical_slice keep their step sizes there "
      "(docs/pretrained.md)",
      run.config.model.generator, run.config.model.latent_dim);
}

// The networks that a run will make, made once before it works.
void try_networks(const Run& run) {
  using models::Role;
  std::vector<Role> roles{Role::generator, Role::discriminator, Role::ratio};
  if (run.given) roles = run.config.train.ratio.steps > 0 ? std::vector<Role>{Role::ratio} : std::vector<Role>{};
  for (const Role role : roles)
    models::make_network(run.config.model, role, train::sample_shape(run.train), run.config.seed);
}

// The classes of a conditional run, and a word where some of them have no samples.
void find_classes(Run& run) {
  run.classes = train::drawn_classes(run.config.model.classes, run.seen);
  if (!run.classes.conditional()) return;
  sampling::label_rule(run.config.sample.labels, run.classes,
                       tensor::Noise{run.config.seed});  // refused now rather than after training
  if (run.classes.all() || !run.comm.root()) return;
  const std::vector<int64_t> without = run.classes.left_out();
  const bool shifted = counts_from_1(run.seen) && without == std::vector<int64_t>{0};
  log::warning(
      "model.classes is {}, but '{}' has no samples of class {}: such classes are not learnt, and never sampled or "
      "scored{}",
      run.classes.of_model(), run.seen.name, data::list_of_classes(without, {}),
      shifted ? fmt::format("; if its labels count from 1, set data.first_label=1 and model.classes={}",
                            run.classes.of_model() - 1)
              : "");
}

}  // namespace

fs::path folder_of(const RunOptions& options, const config::Config& config) {
  if (!options.out.empty()) return options.out;
  return config.output.directory.empty() ? fs::path("runs") / config.name : fs::path(config.output.directory);
}

train::RunLog open_run_log(const fs::path& folder, const config::Config& config, dist::Communicator& comm,
                           const RunOptions& options, const Json& about) {
  const auto begin = [folder, text = config::to_yaml(config),
                      now = provenance(options, config, comm.topology(), about)] {
    write_file(folder / "config.yaml", text);
    write_provenance(folder / "run.json", now);
  };
  std::optional<train::RunLog> made;
  comm.together(
      [&] { made.emplace(folder, comm.root() && !options.shard.partial(), config.output.tensorboard, begin); });
  return std::move(*made);
}

void hold_out_reals(Run& run) {
  const config::CalibrationConfig& calibration = run.config.train.calibration;
  data::HeldOut parts = data::hold_out(run.train, calibration.fitted() ? calibration.held_out : 0, run.config.seed);
  run.seen = std::move(parts.seen);
  run.held_out = std::move(parts.held_out);
}

const data::Dataset& Run::reference() const {
  const data::Dataset& chosen = config.evaluate.reference == "test" ? test : train;
  if (chosen.size() < 2)
    fail(Exit::config,
         "evaluate.reference is '{}', but there is no such data; give data.{} or set evaluate.reference=train",
         config.evaluate.reference, config.evaluate.reference);
  return chosen;
}

Run open_run(config::Config config, const RunOptions& options, dist::Communicator& comm) {
  data::Dataset train, test;
  std::optional<sampling::GivenGan> given;
  comm.together([&] {  // every rank reads; one speaks
    if (!config.model.pretrained() && config.model.compiled != "off")
      fail(Exit::config, "model.compiled: only a .pt2 archive has compiled programs (model.architecture pretrained)");
    if (config.model.pretrained()) given = sampling::open_given_gan(config.model, comm.topology().device);
    train = data::open_dataset(config.data, data::Split::train, config.seed);
    test = data::open_dataset(config.data, data::Split::test, config.seed);
    if (given) check_given(config, *given, train);
  });
  if (comm.root())
    for (const data::Dataset* set : {&train, &test})
      tell_of_set(set->name, set->size(), set->left_out, set->unlabelled);
  const fs::path folder = folder_of(options, config);
  const std::string begun = comm.on_root([&] {
    const auto shards =
        options.resume == train::Resume::never ? std::nullopt : train::shards_of_checkpoints(folder / "checkpoints");
    return shards ? std::to_string(*shards) : std::string();
  });
  train::resolve_shards(config, comm.ranks(), begun.empty() ? std::nullopt : std::optional<int64_t>(std::stoll(begun)));
  comm.require_same(hash64(config::to_yaml(config, false)), "the configuration");
  comm.require_same(train.digest(), "the training data");
  if (given) comm.require_same(models::digest_of(*given->generator), "the file of model.generator");
  if (given) comm.require_same(hash64(given->compiled), compiled_programs);

  comm.on_root([&] { make_folder(folder / "samples"); });
  dist::keep_calls_in(folder.string());
  if (comm.root()) log::info("run {} in {}\n{}", config.name, folder.string(), comm.topology().table());
  Json about = about_data(train, test);
  if (given) about["generator"] = {{"file", config.model.generator}, {"sha256", given->sha256}};
  train::RunLog run_log = open_run_log(folder, config, comm, options, about);
  Run run{std::move(config),  folder,           options.resume,  comm,
          std::move(run_log), std::move(train), std::move(test), options.shard};
  if (given) run.given = train::TrainedGan{given->generator, given->discriminator};
  if (given) run.compiled = given->compiled;
  comm.together([&] {  // what would fail later fails now
    hold_out_reals(run);
    run.reference();
    check_model_options(run);
    check_features(run);
    find_classes(run);
    try_networks(run);
  });
  advise_of_large_latents(run);
  log::info("data: {} ({} samples), reference {} ({})", run.train.name, run.train.size(), run.reference().name,
            run.reference().size());
  return run;
}

void add_draw_conditions(Json& key, const Run& run) {
  const config::Config& c = run.config;
  if (const std::string gpus = run.comm.topology().gpu_models(); !gpus.empty()) {  // other models round otherwise
    key["gpu"] = gpus;
    key["torch"] = version::torch;
  }
  if (c.model.prior != "normal") key["prior"] = c.model.prior;
  if (c.model.classes > 0) key["labels"] = c.sample.labels;
  if (!run.classes.all()) key["classes"] = run.classes.seen();
  if (c.train.ratio.output_noise > 0) key["output_noise"] = c.train.ratio.output_noise;
  if (c.sample.precision != "float32") key["precision"] = c.sample.precision;
  if (!run.compiled.empty()) key["compiled"] = run.compiled;  // they round otherwise
}

void note_seconds(Run& run, const std::string& stage, double seconds) {
  run.comm.on_root([&] {
    const fs::path path = run.folder / "seconds.json";
    Json all = fs::exists(path) ? Json::parse(read_file(path), nullptr, false) : Json::object();
    if (!all.is_object()) all = Json::object();
    const double before = run.resume == train::Resume::never ? 0.0 : json_field_or(all, stage, 0.0, path);
    all[stage] = before + seconds;
    write_file(path, json_text(all) + "\n");
  });
}

}  // namespace ddls::pipeline
