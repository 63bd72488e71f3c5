/** Models of the host, saved and loaded. */
import * as tf from "@tensorflow/tfjs";

/** The model as a file would give it back. */
export async function saveAndLoad(model: tf.LayersModel): Promise<tf.LayersModel> {
  let artifacts: tf.io.ModelArtifacts | undefined;
  await model.save(
    tf.io.withSaveHandler((saved) => {
      // What a file would hold: the topology as text.
      artifacts = JSON.parse(
        JSON.stringify({ ...saved, weightData: undefined }),
      ) as tf.io.ModelArtifacts;
      artifacts.weightData = saved.weightData!;
      return Promise.resolve({ modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(saved) });
    }),
  );
  return tf.loadLayersModel(tf.io.fromMemory(artifacts!));
}
